// The same as node.mjs in a browser: node browser.mjs ENDPOINT http://host/page
// with the endpoint that chromium.mjs printed. Each has a profile of its own.
// The page loads socket.io-client and driver.mjs, and calls window.report.
import { createInterface } from 'node:readline'
import { chromium } from 'playwright-core'

const [endpoint, page] = process.argv.slice(2)
const say = (line) => console.log(JSON.stringify(line))

const browser = await chromium.connect(endpoint)
const profile = await browser.newContext({ ignoreHTTPSErrors: true })
const tab = await profile.newPage()
tab.on('pageerror', (e) => say({ event: 'error', message: String(e) }))
tab.on('console', (m) => console.error(m.text()))
await tab.exposeFunction('report', say)
await tab.goto(page)
await tab.waitForFunction('window.ready')
say({ event: 'ready', version: browser.version() })

createInterface({ input: process.stdin })
  .on('line', (line) => tab.evaluate((c) => window.command(c), JSON.parse(line)))
  .on('close', async () => {
    await profile.close()
    process.exit(0)
  })
