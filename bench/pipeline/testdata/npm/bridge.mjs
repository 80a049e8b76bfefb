// The bridge that a user would write: pgoutput to Socket.IO, no replay, no
// tenants, no catching up. DATABASE_URL, PORT; with LOOKUPS also workspaces, and
// what a message's row lacks: its contact, and its conversation's newest message.
import { createServer } from 'node:http'
import pg from 'pg'
import { LogicalReplicationService, PgoutputPlugin } from 'pg-logical-replication'
import { Server } from 'socket.io'

const url = process.env.DATABASE_URL
const db = new pg.Client({ connectionString: url })
await db.connect()
await db.query('create publication node_bridge for table messages, conversations')
await db.query("select pg_create_logical_replication_slot('node_bridge', 'pgoutput')")

const http = createServer()
const io = new Server(http, { path: '/api/ws' })
io.on('connection', socket => {
  socket.join(process.env.LOOKUPS ? JSON.parse(Buffer.from(socket.handshake.auth.token.split('.')[1], 'base64url')).workspace_id : 'everyone')
  socket.on('subscribe:conversation', id => socket.join('conversation:' + id))
})

const types = { document: 'file', sticker: 'image', ptt: 'audio', image: 'image', audio: 'audio', video: 'video' }
function message(row) {
  const m = {
    id: row.id, workspaceId: row.workspace_id, conversationId: row.conversation_id,
    senderId: row.is_outgoing ? row.sent_by_user_id ?? 'me' : row.sender_jid ?? 'system',
    type: types[row.type] ?? 'text', content: row.body ?? '', status: row.status === 'sending' ? 'pending' : row.status,
    createdAt: new Date(row.created_at).toISOString(),
  }
  if (row.reply_to_id) m.replyToMessageId = row.reply_to_id
  if (row.media_url || row.media_path) {
    m.attachments = [{ id: row.id, messageId: row.id, type: m.type, url: row.media_url ?? row.media_path, metadata: { mimeType: row.mime_type, size: row.size_bytes } }]
  }
  if (row.external_id) m.metadata = { providerMessageId: row.external_id }
  return m
}

const known = new Map()
async function publish(row) {
  let c = known.get(row.conversation_id)
  if (!c) {
    const found = await db.query({ name: 'lacking', values: [row.conversation_id], text: `select c.id as conversation, c.updated_at, a.id as contact, a.name,
      a.avatar_url, a.phone, to_json(m) as newest from conversations c left join contacts a on a.id = c.contact_id and a.workspace_id = c.workspace_id
      left join lateral (select * from messages m where m.conversation_id = c.id order by created_at desc limit 1) m on true where c.id = $1` })
    known.set(row.conversation_id, c = found.rows[0])
  }
  if (!c.newest || new Date(c.newest.created_at) <= new Date(row.created_at)) c.newest = row
  row.sender_jid ??= c.phone
  io.to(row.workspace_id).emit('message', message(row))
  const { id, content, senderId, createdAt } = message(c.newest)
  io.to(row.workspace_id).emit('conversation', {
    id: c.conversation, workspaceId: row.workspace_id, contactId: c.contact, channel: 'whatsapp', lastMessage: { id, content, senderId, createdAt },
    participants: [{ id: c.contact, name: c.name, avatar: c.avatar_url }], updatedAt: new Date(c.updated_at).toISOString(),
  })
}

let published = Promise.resolve()
const service = new LogicalReplicationService({ connectionString: url }, { acknowledge: { auto: true, timeoutSeconds: 10 } })
service.on('data', (lsn, log) => {
  if (log.tag !== 'insert' && log.tag !== 'update') return
  const row = log.new
  if (log.relation.name === 'messages') {
    if (log.tag === 'insert' && process.env.LOOKUPS) published = published.then(() => publish(row))
    else if (log.tag === 'insert') io.to('everyone').emit('message', message(row))
    else io.to('everyone').emit('messageStatus', { messageId: row.id, status: row.status, conversationId: row.conversation_id })
  } else {
    io.to('everyone').emit('conversation', { id: row.id, workspaceId: row.workspace_id, channel: 'whatsapp', participants: [], updatedAt: new Date(row.updated_at).toISOString() })
  }
})
service.on('error', error => { console.error(error); process.exit(1) })
service.on('start', () => http.listen(Number(process.env.PORT), '127.0.0.1', () => console.log(JSON.stringify({ event: 'ready' }))))
service.subscribe(new PgoutputPlugin({ protoVersion: 1, publicationNames: ['node_bridge'] }), 'node_bridge')
