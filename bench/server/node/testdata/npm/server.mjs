// Node.js with socket.io as a user would set it up: the defaults, and one room
// that every client is in. It answers the control requests of the Go servers,
// see bench/internal/control.
import { createServer } from 'node:http'
import { Server } from 'socket.io'

const clients = createServer()
const io = new Server(clients, { path: '/api/ws' })
io.on('connection', (socket) => socket.join('all'))

const fill = process.argv[2]
const hex = (n) => n.toString(16).padStart(16, '0')
const now = () => process.hrtime.bigint()

function publish(seq, due) {
  io.to('all').emit('message', {
    id: hex(seq),
    due: hex(due),
    workspaceId: '7b0e7f4e-6f0c-4d5f-9a63-0d8f5d0a9c11',
    conversationId: 'c2f4a9a0-35b1-4a6e-8d0a-5b7f7b1d9e22',
    senderId: '+5511987654321',
    type: 'text',
    status: 'delivered',
    createdAt: '2026-01-15T12:34:56.789Z',
    metadata: { providerMessageId: 'wamid.HBgNNTUxMTk4NzY1NDMyMRUCABIYFDNBMDA' },
    content: fill,
  })
}

// Publishes count events, rate a second; what is due is sent at each turn.
function run(count, rate, done) {
  const origin = now()
  const interval = 1e9 / rate
  let i = 0
  const turn = () => {
    const elapsed = Number(now() - origin)
    for (; i < count && i * interval <= elapsed; i++) publish(i, origin + BigInt(Math.round(i * interval)))
    if (i === count) return done((Number(now() - origin) / 1e9).toString())
    const wait = (i * interval - Number(now() - origin)) / 1e6
    if (wait > 1) setTimeout(turn, wait)
    else setImmediate(turn)
  }
  turn()
}

const control = createServer((request, response) => {
  const url = new URL(request.url, 'http://localhost')
  if (url.pathname === '/gc') {
    globalThis.gc?.()
    response.end()
  } else if (url.pathname === '/publish') {
    run(Number(url.searchParams.get('count')), Number(url.searchParams.get('rate')), (took) => response.end(took))
  } else {
    response.writeHead(404).end()
  }
})

clients.listen(0, '127.0.0.1', () => {
  control.listen(0, '127.0.0.1', () => {
    const at = (server) => `127.0.0.1:${server.address().port}`
    console.log(JSON.stringify({ event: 'listening', addr: at(clients), control: at(control) }))
  })
})
