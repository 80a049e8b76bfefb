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
//   - Where its socket is not connected, it calls the Edge Function itself, and its answer
//     is the text's status.
//
//   node senders.mjs '{"url":"…","function":"…","clients":[{"token":"…","workspaceId":"w1","subscribe":["c1"],"old":false}]}'
//
// Commands, a JSON line each: {"event":"send","client":0,"conversation":"c1","content":"…",
// "id":"…"}, answered by its id; {"event":"bubbles","client":0}, answered by what it shows;
// {"event":"auth","client":0,"token":"…"}; {"event":"type","clients":[0],"every":20} has each
// of them type a text that often (ms) into its conversations in turn, until {"event":"stop"},
// answered by all that were typed. Ends with its standard input.
import readline from 'node:readline'
import { randomUUID } from 'node:crypto'
import { io } from 'socket.io-client'

const options = JSON.parse(process.argv[2])
const say = (event, rest = {}) => process.stdout.write(JSON.stringify({ event, ...rest }) + '\n')

class Client {
  constructor({ token, workspaceId, subscribe, old = false }) {
    Object.assign(this, { token, workspaceId, subscribe, old, bubbles: [], connects: 0, typed: 0, calls: [] })
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
      bubble.heard = true
      Object.assign(bubble, { id: m.id, status: m.status, providerId: providerMessageId ?? bubble.providerId })
    }
  }

  onStatus({ messageId, status }) {
    for (const b of this.bubbles) {
      if (b.id === messageId || !this.old && b.providerId === messageId) Object.assign(b, { status, heard: true })
    }
  }

  // type sends a text as the CRM does, by whichever way there is, and returns what is
  // known of it.
  type(content) {
    const conversation = this.subscribe[this.typed++ % this.subscribe.length]
    if (this.socket.connected) return { content, way: 'socket', at: Date.now(), connect: this.connects, id: this.send({ conversation, content }) }
    const id = `opt_${randomUUID()}`
    const bubble = { id, clientId: id, content, status: 'pending' }
    this.bubbles.push(bubble)
    this.calls.push(this.call({ conversationId: conversation, message: content, clientMessageId: id }, bubble))
    return { content, way: 'function', at: Date.now(), connect: this.connects, id }
  }

  // call calls the Edge Function.
  async call(body, bubble) {
    try {
      const response = await fetch(options.function, {
        method: 'POST', body: JSON.stringify(body),
        headers: { authorization: `Bearer ${this.token}`, apikey: 'sb_publishable_x', 'content-type': 'application/json' },
      })
      const answer = await response.json()
      bubble.status = answer.ok ? 'sent' : 'failed'
      bubble.providerId ??= answer.externalId
    } catch {
      bubble.status = 'failed'
    }
  }

  send({ conversation, content, id = `opt_${randomUUID()}` }) {
    if (!this.old) this.bubbles.push({ id, clientId: id, content, status: 'pending' })
    this.socket.emit('sendMessage', { type: 'sendMessage', conversationId: conversation, content, messageId: id, timestamp: Date.now() })
    return id
  }
}

// typing is what is typed: the timer, and the texts.
const typing = { timer: null, texts: [] }
function type({ clients: which, every }) {
  let n = 0
  typing.timer = setInterval(() => {
    for (const c of which) typing.texts.push({ client: c, ...clients[c].type(`: ${c}-${n}`) })
    n++
  }, every)
}
async function stop() {
  clearInterval(typing.timer)
  await Promise.all(clients.flatMap((c) => c.calls))
  say('typed', { texts: typing.texts })
}

const clients = options.clients.map((c) => new Client(c))
const commands = {
  type,
  stop,
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
