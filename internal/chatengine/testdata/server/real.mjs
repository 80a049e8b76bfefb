// ChatEngine as it was seen to run beside the bridge, on the CRM's tables:
//
//   - a message's id in every event is WhatsApp's, which the row has in
//     external_id; the row's key is a uuid that no event has
//   - a new message's status is always `delivered`, a conversation's
//     participants are always empty, and a message that was sent from the phone
//     has the contact's number as its sender
//   - sendMessage is emitted at once as pending, under the client's id, and
//     stored only when WhatsApp has it
//   - there are no acknowledgements; what is unknown or malformed is dropped,
//     but for a sendMessage without data, which ends the process
//   - a client that is not admitted is connected and then disconnected
import { randomUUID } from 'node:crypto'
import jwt from 'jsonwebtoken'
import { about, everyone, identity, optional, subscriptions, unsubscribed } from './rooms.mjs'

export function real({ io, pool, secret, inOrder, whatsapp }) {
  let connected = true // to WhatsApp

  const emitMessage = (m) => io.to(unsubscribed(m.workspaceId)).to(about(m.workspaceId, m.conversationId)).emit('message', m)
  const emitStatus = (workspace, status) => io.to(everyone(workspace)).emit('messageStatus', status)

  function emitConversation(c, lastMessage) {
    io.to(everyone(c.workspace_id)).emit('conversation', optional({
      id: c.id, workspaceId: c.workspace_id, contactId: c.contact_id, whatsappNumberId: c.whatsapp_number_id,
      channel: 'whatsapp', participants: [], lastMessage, updatedAt: c.updated_at.toISOString(),
    }))
  }

  // conversationOf is a conversation's row with its contact's phone, if it is of the workspace.
  async function conversationOf(id, workspace) {
    if (!pool) return
    const { rows } = await pool.query(
      `select c.*, k.phone from conversations c join contacts k on k.id = c.contact_id
       where c.id::text = $1 and c.workspace_id::text = $2`, [String(id), workspace])
    return rows[0]
  }

  // store inserts a message's row and moves its conversation, a transaction
  // each. It returns when the message was created and the conversation's row.
  async function store(m) {
    const { rows, rowCount } = await pool.query(
      `insert into messages (id, workspace_id, conversation_id, external_id, client_id, body, type, status, is_outgoing, sender_jid, sent_by_user_id)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict do nothing returning created_at`,
      [m.rowId ?? randomUUID(), m.workspaceId, m.conversationId, m.externalId, m.clientId ?? null, m.content ?? '', m.type ?? 'text',
        m.status, m.outgoing, m.outgoing ? null : `${m.senderId}@s.whatsapp.net`, m.user ?? null])
    // Already there: an earlier attempt was stored, but perhaps not emitted.
    const stored = rowCount > 0 ? rows[0] : (await pool.query(
      'select created_at from messages where workspace_id = $1 and external_id = $2', [m.workspaceId, m.externalId])).rows[0]
    const moved = await pool.query('update conversations set last_message_at = now() where id = $1 returning *', [m.conversationId])
    return { createdAt: stored.created_at.toISOString(), conversation: moved.rows[0] }
  }

  // send is a message that came from WhatsApp, or with fromMe from the phone.
  const send = (m) => inOrder(m.conversationId, async () => {
    const { createdAt, conversation } = await store({ ...m, outgoing: m.fromMe ?? false, status: m.status ?? 'delivered' })
    const senderId = m.fromMe ? (await conversationOf(m.conversationId, m.workspaceId)).phone : m.senderId
    const id = m.externalId
    emitMessage(optional({
      id, workspaceId: m.workspaceId, conversationId: m.conversationId, senderId, type: m.type ?? 'text',
      content: m.content ?? '', replyToMessageId: m.replyToMessageId, status: 'delivered',
      metadata: { providerMessageId: id }, createdAt,
    }))
    emitConversation(conversation, { id, content: m.content ?? '', senderId, createdAt })
  })

  // setStatus is a status that came from WhatsApp, for its id of the message.
  const setStatus = ({ messageId, conversationId, status }) => inOrder(conversationId, async () => {
    const { rows } = await pool.query('update messages set status = $2 where external_id = $1 returning workspace_id', [messageId, status])
    if (rows.length) emitStatus(rows[0].workspace_id, { messageId, status, conversationId })
  })

  const whatsAppID = () => `3EB0${randomUUID().replaceAll('-', '').slice(0, 18).toUpperCase()}`

  // deliver hands a message to WhatsApp, and returns when that has it.
  async function deliver(message) {
    if (!connected) throw new Error('WhatsApp is not connected')
    if (!whatsapp) return
    const answer = await fetch(whatsapp, { method: 'POST', body: JSON.stringify(message) })
    if (!answer.ok) throw new Error(`WhatsApp answers ${answer.status}`)
  }

  // sendOut is a client's sendMessage: first what is hoped for, then what became
  // of it. A test may say which ids WhatsApp and the database are to give it.
  async function sendOut(socket, { conversationId, content, messageId, replyToMessageId, externalId = whatsAppID(), rowId }) {
    const { workspace, user } = socket.data
    const conversation = await conversationOf(conversationId, workspace)
    if (!conversation) return
    const createdAt = new Date().toISOString()
    emitMessage(optional({
      id: messageId, workspaceId: workspace, conversationId, senderId: user, type: 'text', content: content ?? '',
      replyToMessageId, status: 'pending', metadata: { clientMessageId: messageId }, createdAt,
    }))
    emitConversation(conversation, { id: messageId, content: content ?? '', senderId: user, createdAt })
    try {
      await inOrder(conversationId, async () => {
        await deliver({ clientMessageId: messageId, externalId, content })
        await store({ rowId, workspaceId: workspace, conversationId, externalId, clientId: messageId, content, status: 'sent', outgoing: true, user })
        socket.emit('messageSent', { messageId, conversationId, externalId })
        emitStatus(workspace, { messageId, status: 'sent', conversationId })
      })
    } catch (err) {
      console.error('sendMessage:', err.message)
      socket.emit('error', { type: 'sendMessage', message: err.message })
      emitStatus(workspace, { messageId, status: 'failed', conversationId })
    }
  }

  // member tells whether the user is one of the workspace. A database that is
  // restarting is asked again.
  async function member(user, workspace) {
    for (let attempt = 1; pool; attempt++) {
      try {
        const { rowCount } = await pool.query(
          'select from workspace_members where user_id::text = $1 and workspace_id::text = $2', [user, workspace])
        return rowCount > 0
      } catch (err) {
        if (attempt === 50) throw err
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
    }
    return true
  }

  // Whoever is not admitted is let in all the same and thrown out below.
  io.use(async (socket, next) => {
    try {
      const { token, workspaceId } = socket.handshake.auth
      const { workspace = workspaceId, user } = identity(jwt.verify(token, secret, { algorithms: ['HS256'] }))
      if (!workspace) throw new Error('no workspace')
      if (!await member(user, workspace)) throw new Error('not a member')
      Object.assign(socket.data, { workspace, user })
    } catch (err) {
      socket.data.refused = err.message
    }
    next()
  })

  io.on('connection', (socket) => {
    const { workspace, user, refused } = socket.data
    if (refused) return void socket.disconnect()
    subscriptions(socket, workspace)
    socket.on('typing', async (t) => {
      if (!await conversationOf(t?.conversationId, workspace)) return
      io.to(everyone(workspace)).emit('typing', { conversationId: t.conversationId, userId: user, isTyping: t.isTyping })
    })
    socket.on('sendMessage', (message) => sendOut(socket, message))
    socket.on('markAsRead', async (m) => {
      if (!await conversationOf(m?.conversationId, workspace)) return
      await pool.query('update conversations set unread_count = 0 where id = $1', [m.conversationId])
      socket.emit('markedAsRead', { conversationId: m.conversationId })
    })
    socket.on('ping', () => socket.emit('pong', { timestamp: new Date().toISOString() }))
  })

  // connection is WhatsApp's, gained or lost.
  const connection = (c) => {
    connected = c.connected
    io.emit('connectionUpdate', { status: connected ? 'connected' : 'disconnected' })
  }

  // restQueries are what REST answers: messages under the rows' ids, oldest first, the
  // first of those after since; conversations with the latest change first.
  const restQueries = {
    messages: async (workspace, query) => (await pool.query(
      `select id, workspace_id, conversation_id, body, status, created_at from messages
       where workspace_id::text = $1 and conversation_id::text = $2 and created_at > $3 order by created_at limit $4`,
      [workspace, query.get('conversationId'), query.get('since') ?? '-infinity', Math.min(Number(query.get('limit')) || 50, 200)])).rows
      .map((m) => ({ id: m.id, workspaceId: m.workspace_id, conversationId: m.conversation_id, type: 'text', content: m.body, status: m.status, createdAt: m.created_at.toISOString() })),
    conversations: async (workspace) => (await pool.query(
      'select * from conversations where workspace_id::text = $1 order by updated_at desc', [workspace])).rows
      .map((c) => ({ id: c.id, workspaceId: c.workspace_id, channel: 'whatsapp', participants: [], updatedAt: c.updated_at.toISOString() })),
  }

  // rest answers a request of ChatEngine's REST. The header tells the answers from the
  // bridge's.
  async function rest(request, response, what) {
    response.setHeader('x-served-by', 'chatengine')
    response.setHeader('content-type', 'application/json')
    const fail = (status, error) => response.writeHead(status).end(JSON.stringify({ error }))
    let claims
    try {
      claims = identity(jwt.verify(request.headers.authorization?.split(' ')[1], secret, { algorithms: ['HS256'] }))
    } catch {
      return fail(401, 'Token de autenticação inválido')
    }
    const query = new URL(request.url, 'http://x').searchParams
    if (what === 'messages' && !query.get('conversationId')) return fail(400, 'conversationId é obrigatório')
    response.end(JSON.stringify(pool ? await restQueries[what](claims.workspace, query) : []))
  }

  return { send, setStatus, connection, rest }
}
