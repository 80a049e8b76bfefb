// The same in a browser: node browser.mjs /usr/bin/chromium http://host/page
// The page loads socket.io-client and driver.mjs, and calls window.report.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { chromium } from 'playwright-core'

const [executablePath, page] = process.argv.slice(2)
const say = (line) => console.log(JSON.stringify(line))
const profile = mkdtempSync(join(tmpdir(), 'clienttest-'))
process.on('exit', () => rmSync(profile, { recursive: true, force: true }))

const browser = await chromium.launchPersistentContext(profile, {
  executablePath,
  headless: true,
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage', '--ignore-certificate-errors',
  ],
})
const tab = browser.pages()[0] ?? (await browser.newPage())
tab.on('pageerror', (e) => say({ event: 'error', message: String(e) }))
tab.on('console', (m) => console.error(m.text()))
await tab.exposeFunction('report', say)
await tab.goto(page)
await tab.waitForFunction('window.ready')
say({ event: 'ready', version: browser.browser()?.version() })

createInterface({ input: process.stdin })
  .on('line', (line) => tab.evaluate((c) => window.command(c), JSON.parse(line)))
  .on('close', async () => {
    await browser.close()
    process.exit(0)
  })
