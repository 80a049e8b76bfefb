// The reference implementation, set up as the official suites expect their
// server: what the suites say of it tells whether the way we run them is right.
//
//   node reference.mjs socketio|engineio
//
// It listens on a port of its own and prints {"event":"listening","addr":...}.
import { createServer } from 'node:http'
import { Server as Engine } from 'engine.io'
import { Server } from 'socket.io'

const limits = { pingInterval: 300, pingTimeout: 200, maxHttpBufferSize: 1e6 }
const http = createServer()

if (process.argv[2] === 'engineio') {
  const engine = new Engine(limits)
  engine.on('connection', (socket) => {
    socket.on('data', (data) => socket.send(data))
  })
  engine.attach(http, { path: '/api/ws/' })
} else {
  const io = new Server(http, { ...limits, path: '/api/ws', connectTimeout: 1000 })
  const echo = (socket) => {
    socket.emit('auth', socket.handshake.auth)
    socket.on('message', (...args) => socket.emit('message-back', ...args))
    socket.on('message-with-ack', (...args) => args.pop()(...args))
  }
  io.on('connection', echo)
  io.of('/custom').on('connection', echo)
}

http.listen(0, '127.0.0.1', () => {
  const { address, port } = http.address()
  console.log(JSON.stringify({ event: 'listening', addr: `${address}:${port}` }))
})
