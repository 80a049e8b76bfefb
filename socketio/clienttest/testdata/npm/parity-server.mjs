// npm's Socket.IO server with the behaviour of parityServer in parity_server_test.go:
// one server for each profile of the argument, a JSON array of options.
import { createServer } from 'node:http'
import { Server } from 'socket.io'

const refused = (message, code) => Object.assign(new Error(message), { data: { code } })

function serve(nsp) {
  nsp.use((socket, next) => {
    const { token } = socket.handshake.auth
    if (token === 'good') return next()
    if (token === 'later') return socket.conn.close()
    next(token === undefined ? refused('no token', 'token_missing') : refused('invalid token é', 'token_invalid'))
  })
  nsp.on('connection', (socket) => {
    socket.emit('hello', { recovered: socket.recovered, namespace: nsp.name })
    socket.onAny((name, ...args) => {
      const ack = typeof args.at(-1) === 'function' ? args.pop() : undefined
      switch (name) {
        case 'who': {
          const { query, headers } = socket.handshake
          return ack({ token: socket.handshake.auth.token, x: query.x ?? null, header: headers['x-test'] ?? null })
        }
        case 'kick':
          return socket.disconnect()
        case 'kick and close':
          return socket.disconnect(true)
        case 'drop': // the connection; what its room gets afterwards, the client misses
          socket.join(args[0])
          socket.conn.close()
          return void setTimeout(() => nsp.to(args[0]).emit('missed', 'ü', 7), 20)
        case 'large':
          return socket.emit('large', 'é'.repeat(args[0]))
        case 'count':
          for (let i = 0; i < args[0]; i++) socket.emit('n', i)
          return
        case 'join':
          socket.join(args[0])
          return ack('joined')
        case 'leave':
          socket.leave(args[0])
          return ack('left')
        case 'broadcast':
          return nsp.to(args[0]).emit('news', ...args.slice(1))
        case 'ack twice':
          ack(1)
          return ack(2)
        default:
          if (ack) return ack(...args)
          socket.emit('back', name, ...args)
      }
    })
  })
}

const ports = await Promise.all(
  JSON.parse(process.argv[2]).map(async ({ recovery, ...profile }) => {
    const http = createServer((request, response) => response.writeHead(404).end())
    const io = new Server(http, {
      path: '/api/ws',
      cors: { origin: true, credentials: true },
      ...profile,
      ...(recovery && { connectionStateRecovery: { maxDisconnectionDuration: 60_000, skipMiddlewares: false } }),
    })
    serve(io.of('/'))
    serve(io.of('/custom'))
    await new Promise((listening) => http.listen(0, '127.0.0.1', listening))
    return http.address().port
  }),
)
console.log(JSON.stringify({ event: 'listening', ports }))
