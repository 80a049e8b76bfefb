// One headless browser for all tests: node chromium.mjs /usr/bin/chromium
// prints where browser.mjs connects to, and ends with its standard input.
import { chromium } from 'playwright-core'

const server = await chromium.launchServer({
  executablePath: process.argv[2],
  headless: true,
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage',
  ],
})
console.log(JSON.stringify({ event: 'ready', endpoint: server.wsEndpoint() }))
process.stdin.on('end', async () => {
  await server.close()
  process.exit(0)
}).resume()
