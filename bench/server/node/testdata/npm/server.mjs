// Node.js with socket.io as a user would set it up: the defaults, a room for
// everybody and one for each conversation. It answers the control requests of the Go
// servers, see bench/internal/control.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { Server } from 'socket.io'

const { BENCH_CERT_FILE: cert, BENCH_KEY_FILE: key, BENCH_RECOVER: recover } = process.env
const clients = cert ? createSecureServer({ cert: readFileSync(cert), key: readFileSync(key) }) : createServer()
const io = new Server(clients, { path: '/api/ws', ...(recover && { connectionStateRecovery: {} }) })
io.on('connection', (socket) => {
  socket.join('all')
  socket.on('subscribe:conversation', (id) => socket.join(id))
})

const fill = process.argv[2]
const hex = (n) => n.toString(16).padStart(16, '0')
const now = () => process.hrtime.bigint()

function publish(seq, due, room) {
  io.to(room).emit('message', {
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

// Publishes count events, rate a second; what is due is sent at each turn, a hundred
// at most, so that clients are served in between. If paced, each byte of the request
// tells that one is due.
function run({ count, rate, rooms, first, subs, from, origin, paced }, request, done) {
  const interval = 1e9 / rate
  const dueAt = (i) => BigInt(Math.round(i * interval))
  const began = origin ? BigInt(origin) : now() - dueAt(from)
  let i = from
  const send = () => {
    const room = rooms > 0 ? `room-${first + (i % rooms)}-${Math.floor(i / rooms) % Math.max(subs, 1)}` : 'all'
    publish(i, began + dueAt(i), room)
    i++
  }
  if (paced) {
    request.on('data', (bytes) => {
      for (let n = 0; n < bytes.length; n++) send()
    })
    request.on('end', () => done(began.toString()))
    return
  }
  const turn = () => {
    const elapsed = Number(now() - began)
    const end = Math.min(from + count, i + 100)
    while (i < end && i * interval <= elapsed) send()
    if (i === from + count) return done(began.toString())
    const wait = (i * interval - Number(now() - began)) / 1e6
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
    const asked = Object.fromEntries([...url.searchParams].map(([name, value]) => [name, Number(value)]))
    run({ rooms: 0, first: 0, subs: 0, from: 0, origin: 0, ...asked }, request, (origin) => response.end(origin))
  } else {
    response.writeHead(404).end()
  }
})
control.requestTimeout = 0 // a publication is one request, however long it takes

clients.listen(0, '127.0.0.1', () => {
  control.listen(0, '127.0.0.1', () => {
    const at = (server) => `127.0.0.1:${server.address().port}`
    console.log(JSON.stringify({ event: 'listening', addr: at(clients), control: at(control) }))
  })
})
