// A stand-in for ChatEngine: a Socket.IO server with the contract of /api/ws
// that writes each message, status and conversation to Postgres and emits it
// to its sockets, live and only once. Like ChatEngine it keeps nothing for
// clients that are away. What it says is in real.mjs or agreeing.mjs.
//
//   node server.mjs '{"port":0,"path":"/api/ws","database":"postgres://…","secret":"…","form":"real"}'
//
// On standard output: {"event":"listening","port":…}. It ends with its
// standard input, so that it never outlives who started it.
import http from 'node:http'
import pg from 'pg'
import { Server } from 'socket.io'
import { agreeing } from './agreeing.mjs'
import { real } from './real.mjs'

const options = JSON.parse(process.argv[2])
const say = (event, rest = {}) => process.stdout.write(JSON.stringify({ event, ...rest }) + '\n')
process.stdin.on('end', () => process.exit(0)).resume()

const pool = options.database ? new pg.Pool({ connectionString: options.database, max: 8 }) : null
pool?.on('error', (err) => console.error('pool:', err.message))

// One write after the other within a conversation, so that events leave in
// commit order.
const queues = new Map()
function inOrder(conversation, work) {
  const before = queues.get(conversation) ?? Promise.resolve()
  const mine = before.catch(() => {}).then(work)
  queues.set(conversation, mine)
  mine.catch(() => {}).finally(() => queues.get(conversation) === mine && queues.delete(conversation))
  return mine
}

const server = http.createServer()
const io = new Server(server, {
  path: options.path || '/api/ws',
  cors: { origin: true, credentials: true },
  pingInterval: options.pingInterval ?? 25000,
  pingTimeout: options.pingTimeout ?? 20000,
})
const engine = { agreeing, real }[options.form]({ io, pool, secret: options.secret, inOrder, whatsapp: options.whatsapp })

async function body(request) {
  const parts = []
  for await (const part of request) parts.push(part)
  return Buffer.concat(parts)
}

// take is a route that hands its body, JSON, to the engine.
const take = (work) => async (request, response) => {
  await work(JSON.parse(await body(request)))
  response.writeHead(204).end()
}

// The other paths, as far as the tests need any.
const routes = {
  'GET /health': async (_, response) => response.end('ok'),
  'POST /messages': take(engine.send),
  'POST /statuses': take(engine.setStatus),
  'POST /connection': take(engine.connection),
  // ChatEngine's REST, of its real form.
  'GET /api/chat/conversations': (request, response) => engine.rest(request, response, 'conversations'),
  'GET /api/chat/messages': (request, response) => engine.rest(request, response, 'messages'),
  // What arrived, for tests of headers.
  'GET /inspect': async (request, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ url: request.url, headers: request.headers, remote: request.socket.remoteAddress }))
  },
  // Each part of the body comes back as soon as it has come, for tests of streaming.
  'POST /echo': async (request, response) => {
    response.writeHead(200, { 'content-type': 'application/octet-stream' })
    response.flushHeaders()
    request.pipe(response)
  },
}

server.on('request', (request, response) => {
  const path = request.url.split('?')[0]
  if (path.startsWith(`${options.path || '/api/ws'}/`)) return // Socket.IO's
  const route = routes[`${request.method} ${path}`]
  if (!route) return response.writeHead(404).end()
  route(request, response).catch((err) => {
    if (!response.headersSent) response.writeHead(500)
    response.end(err.message)
  })
})

server.listen(options.port ?? 0, '127.0.0.1', () => say('listening', { port: server.address().port }))
