// The form that agrees with the bridge: ChatEngine's own tables, whose key is
// the message's id in every event, and acknowledgements and refusals as the
// contract has them.
import jwt from 'jsonwebtoken'
import { about, everyone, identity, optional, subscriptions, unsubscribed } from './rooms.mjs'

export function agreeing({ io, pool, secret, inOrder }) {
  // send stores a message and emits it, then its conversation.
  const send = (m) => inOrder(m.conversationId, async () => {
    const { rows, rowCount } = await pool.query(
      `insert into messages (id, workspace_id, conversation_id, sender_id, type, content, reply_to_message_id, status, metadata)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (id) do nothing returning created_at`,
      [m.id, m.workspaceId, m.conversationId, m.senderId, m.type ?? 'text', m.content ?? '', m.replyToMessageId ?? null,
        m.status ?? 'sent', m.metadata ?? null])
    // Already there: an earlier attempt was stored, but perhaps not emitted.
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

  // setStatus stores a message's status and emits it.
  const setStatus = ({ messageId, conversationId, status }) => inOrder(conversationId, async () => {
    const { rows } = await pool.query('update messages set status = $2 where id = $1 returning workspace_id', [messageId, status])
    if (rows.length) io.to(everyone(rows[0].workspace_id)).emit('messageStatus', { messageId, status, conversationId })
  })

  io.use((socket, next) => {
    try {
      const { token } = socket.handshake.auth
      if (!token) throw new Error('no token')
      Object.assign(socket.data, identity(jwt.verify(token, secret, { algorithms: ['HS256'] })))
      if (!socket.data.workspace) throw new Error('no workspace')
      next()
    } catch (err) {
      const refusal = new Error('unauthorized')
      refusal.data = { code: 'UNAUTHORIZED', reason: err.message }
      next(refusal)
    }
  })

  io.on('connection', (socket) => {
    const { workspace, user } = socket.data
    const reply = (ack, answer) => typeof ack === 'function' && ack(answer)
    subscriptions(socket, workspace, (ack) => reply(ack, { ok: true }))
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

  return { send, setStatus }
}
