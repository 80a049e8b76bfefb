// Clients of the CRM that send through their sockets: socket.io-client with the CRM's
// options, and what the CRM makes of the events.
//
//   - A text that is sent is shown at once, under an id of the client's own,
//     opt_<uuid>: its bubble.
//   - A CRM since January 2026 takes a message for its bubble by
//     metadata.clientMessageId, drops one whose id or WhatsApp's id it knows, and sets a
//     status by either. An older one (old) knows ids alone, and shows no bubble before the
//     message comes.
//   - No CRM listens for `error`.
//
//   node senders.mjs '{"url":"…","clients":[{"token":"…","workspaceId":"w1","subscribe":["c1"],"old":false}]}'
//
// Commands, a JSON line each: {"event":"send","client":0,"conversation":"c1","content":"…",
// "id":"…"}, answered by its id; {"event":"bubbles","client":0}, answered by what it shows;
// {"event":"auth","client":0,"token":"…"}. Ends with its standard input.
import readline from 'node:readline'
import { randomUUID } from 'node:crypto'
import { io } from 'socket.io-client'

const options = JSON.parse(process.argv[2])
const say = (event, rest = {}) => process.stdout.write(JSON.stringify({ event, ...rest }) + '\n')

class Client {
  constructor({ token, workspaceId, subscribe, old = false }) {
    Object.assign(this, { token, workspaceId, subscribe, old, bubbles: [], connects: 0 })
  }

  open() {
    const socket = (this.socket = io(options.url, {
      path: '/api/ws', auth: { token: this.token, workspaceId: this.workspaceId },
      transports: ['websocket', 'polling'], reconnection: true, reconnectionDelay: 1000, reconnectionAttempts: 5, forceNew: true,
    }))
    socket.on('message', (m) => this.onMessage(m))
    socket.on('messageStatus', (s) => this.onStatus(s))
    socket.on('connect_error', (err) => { if (!socket.active) say('refused', { message: err.message }) })
    return new Promise((resolve) => {
      socket.on('connect', () => {
        this.connects++
        for (const id of this.subscribe) socket.emit('subscribe:conversation', id)
        socket.emit('ping')
      })
      socket.once('pong', resolve)
    })
  }

  find(m) {
    const { clientMessageId, providerMessageId } = m.metadata ?? {}
    return this.bubbles.find((b) => b.id === m.id || !this.old &&
      (clientMessageId && b.clientId === clientMessageId || providerMessageId && b.providerId === providerMessageId))
  }

  onMessage(m) {
    if (m.workspaceId !== this.workspaceId) return void say('foreign', { m })
    const bubble = this.find(m)
    const { clientMessageId, providerMessageId } = m.metadata ?? {}
    if (!bubble) {
      this.bubbles.push({ id: m.id, clientId: clientMessageId, providerId: providerMessageId, content: m.content, status: m.status })
    } else if (!this.old) {
      Object.assign(bubble, { id: m.id, status: m.status, providerId: providerMessageId ?? bubble.providerId })
    }
  }

  onStatus({ messageId, status }) {
    for (const b of this.bubbles) {
      if (b.id === messageId || !this.old && b.providerId === messageId) b.status = status
    }
  }

  send({ conversation, content, id = `opt_${randomUUID()}` }) {
    if (!this.old) this.bubbles.push({ id, clientId: id, content, status: 'pending' })
    this.socket.emit('sendMessage', { type: 'sendMessage', conversationId: conversation, content, messageId: id, timestamp: Date.now() })
    return id
  }
}

const clients = options.clients.map((c) => new Client(c))
const commands = {
  send: (c) => say('send', { id: clients[c.client].send(c) }),
  again({ client, conversation, content, id }) {
    clients[client].socket.emit('sendMessage', { type: 'sendMessage', conversationId: conversation, content, messageId: id, timestamp: Date.now() })
    say('again')
  },
  bubbles: ({ client }) => say('bubbles', { bubbles: clients[client].bubbles, connects: clients[client].connects }),
  auth: ({ client, token }) => clients[client].socket.emit('auth', { token }, (answer) => say('auth', answer)),
}

readline.createInterface({ input: process.stdin })
  .on('line', (line) => {
    const command = JSON.parse(line)
    commands[command.event](command)
  })
  .on('close', () => process.exit(0))

await Promise.all(clients.map((c) => c.open()))
say('ready')
