// Many socket.io-clients in one process: node parity.mjs client-4.8
// Commands and reports as in driver.mjs, with a member "client" that names the
// client; besides what driver.mjs reports: the first connection's handshake and end, and the pings.
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { drive } from './driver.mjs'

const { io } = createRequire(import.meta.url)(process.argv[2])
const clients = new Map()

function start(client) {
  const report = (r) => console.log(JSON.stringify({ client, ...r }))
  const observed = (url, options) => {
    const socket = io(url, options)
    const { engine } = socket.io
    engine.on('handshake', ({ sid, ...told }) => report({ event: 'handshake', data: told }))
    engine.on('close', () => report({ event: 'closed' }))
    socket.io.on('ping', () => report({ event: 'ping' }))
    return socket
  }
  return drive(observed, report)
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const command = JSON.parse(line)
    if (!clients.has(command.client)) clients.set(command.client, start(command.client))
    clients.get(command.client)(command)
  })
  .on('close', () => process.exit(0))
