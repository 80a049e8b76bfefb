// One socket.io-client in Node.js: node node.mjs client-4.8
// Commands are JSON lines on standard input, reports JSON lines on standard
// output; see driver.mjs.
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { drive } from './driver.mjs'

const { io } = createRequire(import.meta.url)(process.argv[2])
const command = drive(io, (report) => console.log(JSON.stringify(report)))
createInterface({ input: process.stdin })
  .on('line', (line) => command(JSON.parse(line)))
  .on('close', () => process.exit(0))
