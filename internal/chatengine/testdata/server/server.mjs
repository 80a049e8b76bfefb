// A stand-in for ChatEngine: a Socket.IO server with the contract of /api/ws
// that writes each message, status and conversation to Postgres and emits it
// to its sockets, live and only once. Like ChatEngine it keeps nothing for
// clients that are away.
//
//   node server.mjs '{"port":0,"path":"/api/ws","database":"postgres://…","secret":"…"}'
//
// On standard output: {"event":"listening","port":…}. It ends with its
// standard input, so that it never outlives who started it.
import http from 'node:http'
import jwt from 'jsonwebtoken'
import pg from 'pg'
import { Server } from 'socket.io'

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

io.use((socket, next) => {
  try {
    const { token } = socket.handshake.auth
    if (!token) throw new Error('no token')
    const claims = jwt.verify(token, options.secret, { algorithms: ['HS256'] })
    socket.data.workspace = claims.workspace_id ?? claims.workspaceId ?? claims.workspace
    socket.data.user = claims.sub ?? claims.user_id ?? claims.userId
    if (!socket.data.workspace) throw new Error('no workspace')
    next()
  } catch (err) {
    const refusal = new Error('unauthorized')
    refusal.data = { code: 'UNAUTHORIZED', reason: err.message }
    next(refusal)
  }
})

const everyone = (workspace) => `workspace:${workspace}`
const unsubscribed = (workspace) => `unsubscribed:${workspace}`
const about = (workspace, conversation) => `conversation:${workspace}:${conversation}`

io.on('connection', (socket) => {
  const { workspace, user } = socket.data
  const subscriptions = new Set()
  const reply = (ack, answer) => typeof ack === 'function' && ack(answer)
  socket.join([everyone(workspace), unsubscribed(workspace)])

  socket.on('subscribe:conversation', (id, ack) => {
    subscriptions.add(id)
    socket.leave(unsubscribed(workspace))
    socket.join(about(workspace, id))
    reply(ack, { ok: true })
  })
  socket.on('unsubscribe:conversation', (id, ack) => {
    subscriptions.delete(id)
    socket.leave(about(workspace, id))
    if (subscriptions.size === 0) socket.join(unsubscribed(workspace))
    reply(ack, { ok: true })
  })
  socket.on('typing', ({ conversationId, isTyping }) => {
    io.to(everyone(workspace)).emit('typing', { conversationId, userId: user, isTyping })
  })
  socket.on('sendMessage', async (message, ack) => {
    try {
      await send({
        id: message.messageId, workspaceId: workspace, conversationId: message.conversationId,
        senderId: user, content: message.content, replyToMessageId: message.replyToMessageId,
      })
      reply(ack, { ok: true })
    } catch (err) {
      socket.emit('error', { type: 'sendMessage', message: err.message })
      reply(ack, { ok: false, error: { code: 'FAILED', message: err.message } })
    }
  })
  socket.on('ping', () => socket.emit('pong', { timestamp: new Date().toISOString() }))
})

const optional = (object) => Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null && value !== undefined))

// send stores a message and tells it, then its conversation.
function send(m) {
  return inOrder(m.conversationId, async () => {
    const { rows, rowCount } = await pool.query(
      `insert into messages (id, workspace_id, conversation_id, sender_id, type, content, reply_to_message_id, status, metadata)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (id) do nothing returning created_at`,
      [m.id, m.workspaceId, m.conversationId, m.senderId, m.type ?? 'text', m.content ?? '', m.replyToMessageId ?? null,
        m.status ?? 'sent', m.metadata ?? null])
    // Already there: an earlier attempt was stored, but perhaps not told.
    const stored = rowCount > 0 ? rows[0] : (await pool.query('select created_at from messages where id = $1', [m.id])).rows[0]
    const createdAt = stored.created_at.toISOString()
    io.to(unsubscribed(m.workspaceId)).to(about(m.workspaceId, m.conversationId)).emit('message', optional({
      id: m.id, workspaceId: m.workspaceId, conversationId: m.conversationId, senderId: m.senderId,
      type: m.type ?? 'text', content: m.content ?? '', replyToMessageId: m.replyToMessageId,
      status: m.status ?? 'sent', metadata: m.metadata, createdAt,
    }))
    const lastMessage = { id: m.id, content: m.content ?? '', senderId: m.senderId, createdAt }
    const changed = await pool.query(
      'update conversations set last_message = $2, updated_at = now() where id = $1 returning *', [m.conversationId, lastMessage])
    const c = changed.rows[0]
    if (!c) return
    io.to(everyone(m.workspaceId)).emit('conversation', optional({
      id: c.id, workspaceId: c.workspace_id, contactId: c.contact_id, whatsappNumberId: c.whatsapp_number_id,
      channel: c.channel ?? 'whatsapp', participants: c.participants ?? [], lastMessage,
      updatedAt: c.updated_at.toISOString(),
    }))
  })
}

// setStatus stores a message's status and tells it.
function setStatus({ messageId, conversationId, status }) {
  return inOrder(conversationId, async () => {
    const { rows } = await pool.query('update messages set status = $2 where id = $1 returning workspace_id', [messageId, status])
    if (rows.length) io.to(everyone(rows[0].workspace_id)).emit('messageStatus', { messageId, status, conversationId })
  })
}

async function body(request) {
  const parts = []
  for await (const part of request) parts.push(part)
  return Buffer.concat(parts)
}

// The other paths, as far as the tests of proxies need any.
const routes = {
  'GET /health': async (_, response) => response.end('ok'),
  'POST /messages': async (request, response) => {
    await send(JSON.parse(await body(request)))
    response.writeHead(204).end()
  },
  'POST /statuses': async (request, response) => {
    await setStatus(JSON.parse(await body(request)))
    response.writeHead(204).end()
  },
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
