// Clients of the CRM: socket.io-client with the CRM's options, and what the CRM
// does with the events. It prepends a new message to its conversation and drops
// one that it has, sets the status of a message it has, replaces the
// conversation in its list, and on every connect subscribes again.
//
// It knows a message by whatever name it comes under; what CRMs make of the
// different names is judged by the history.
//
//   node clients.mjs '{"url":"http://127.0.0.1:8080","path":"/api/ws","clients":[
//     {"token":"…","workspaceId":"w1","subscribe":["c1","c2"]}]}'
//
// Commands, a JSON line each on standard input, are answered by a line with the
// same event: {"event":"summary"}, {"event":"digest"}, {"event":"forget"} (all
// clients as after a page load: nothing known but the messages in "rows",
// connected anew), {"event":"send","client":0,"message":{…}} (one client shows a bubble
// and sends it by its socket), {"event":"open","client":0,"conversation":…} (one client opens one
// conversation more), {"event":"retarget","url":…} before a forget, {"event":"keep"} (the histories of
// pages outlive a forget), {"event":"history","client":0,"page":0} (what one client did and received
// in a kept page, in order; the next after the last kept one is that since its page was loaded). Ends
// with its standard input.
import readline from 'node:readline'
import { io } from 'socket.io-client'

const options = JSON.parse(process.argv[2])
let keep = false // histories, past a forget
const say = (event, rest = {}) => process.stdout.write(JSON.stringify({ event, ...rest }) + '\n')

// known is the one name of a message: the key of a row of the CRM's tables, and
// the id that a client gives it, are made of it (names.go).
function known(id = '') {
  if (id.startsWith('opt_')) return id.slice(4)
  const [, round, conversation, n] = /^0{8}-0000-4000-8000-(\d\d)(\d\d)\d\d(\d{6})$/.exec(id) ?? []
  return n ? `r${round}-c${conversation}-${n}` : id
}

// as is what a message was called, for the history; "=" is its one name.
function as(id, provider = '', client = '', status = '') {
  const name = known(id)
  return [id, provider, client].map((x) => (x === name ? '=' : x)).concat(status)
}

class Client {
  constructor(index, { token, workspaceId, subscribe }) {
    Object.assign(this, { index, token, workspaceId, subscribe })
    this.counts = { events: 0, messages: 0, duplicates: 0, foreign: 0, connects: 0, disconnects: 0, errors: 0 }
    this.failures = [] // whatever stops the client for good
    this.delays = [] // ms from a message's creation to its arrival
    this.pages = [] // kept histories, with the time of their end
    this.history = []
    this.reset()
  }

  reset(rows = []) {
    if (keep) this.pages.push({ now: Date.now(), history: this.history })
    this.conversations = new Map(this.subscribe.map((id) => [id, []])) // newest first
    this.messages = new Map()
    this.arrivals = new Map() // a message's id: when it came, on which connection
    this.list = new Map()
    this.log = [] // connections made and lost, with their times
    this.history = [] // all of it, see internal/history; a line of JSON each, because there are many
    this.offset = ''
    this.toReload = false // told so, and not done
    for (const [conversation, id, provider, status] of rows) {
      if (!this.conversations.has(conversation)) continue
      this.conversations.get(conversation).unshift(known(id))
      this.messages.set(known(id), status)
      this.note('load', known(id), as(id, provider, '', status))
    }
  }

  note(op, ...rest) {
    this.history.push(JSON.stringify([Date.now(), op, ...rest]))
  }

  // received notes an event. Its last argument, where the bridge sent it, is its position.
  received(kind, conversation, message, status, workspace, position, names) {
    this.offset = position ?? this.offset
    this.note('receive', kind, conversation ?? '', known(message), status ?? '', workspace ?? '', position ?? '', names)
  }

  open() {
    this.opened = Date.now()
    const socket = (this.socket = io(options.url, {
      path: options.path || '/api/ws',
      auth: { token: this.token, workspaceId: this.workspaceId },
      transports: options.transports ?? ['websocket', 'polling'],
      reconnection: true, reconnectionDelay: 1000, reconnectionAttempts: 5,
      forceNew: true,
    }))
    return new Promise((resolve) => {
      socket.on('connect', () => {
        this.counts.connects++
        this.log.push(`${Date.now()} connect ${this.counts.connects}`)
        const byBridge = (socket.io.engine.id ?? '').startsWith('br-')
        this.note('connect', Boolean(socket.recovered), this.offset, byBridge)
        this.pings = 0
        for (const id of this.subscribe) this.ask(id)
        this.ping()
      })
      socket.on('pong', () => {
        if (--this.pings === 0) this.note('answered')
        resolve()
      })
      socket.on('disconnect', (reason) => {
        this.note('disconnect')
        if (reason === 'io client disconnect') return
        this.counts.disconnects++
        this.log.push(`${Date.now()} ${reason}`)
        if (reason === 'io server disconnect') this.fail(reason)
      })
      socket.on('connect_error', (err) => {
        this.counts.errors++
        // Not active: a CONNECT_ERROR packet, after which it never tries again.
        if (!socket.active) this.fail(`CONNECT_ERROR ${err.message} ${JSON.stringify(err.data ?? null)}`)
      })
      socket.io.on('reconnect_failed', () => this.fail('gave up after 5 attempts'))
      socket.on('message', (m, at) => {
        this.received('message', m.conversationId, m.id, '', m.workspaceId, at,
          as(m.id, m.metadata?.providerMessageId, m.metadata?.clientMessageId, m.status))
        this.onMessage(m)
      })
      socket.on('messageStatus', (s, at) => {
        this.received('messageStatus', s.conversationId, s.messageId, s.status, '', at, as(s.messageId))
        this.onStatus(s)
      })
      socket.on('conversation', (c, at) => {
        this.received('conversation', c.id, c.lastMessage?.id, '', c.workspaceId, at)
        this.onConversation(c)
      })
      socket.on('gap', (g) => {
        this.note('gap', g)
        this.toReload ||= Boolean(g.reload)
      })
    })
  }

  ask(conversation) {
    this.note('subscribe', conversation)
    this.socket.emit('subscribe:conversation', conversation)
  }

  // ping is answered after the subscriptions before it: so those are in force by then.
  ping() {
    this.pings++
    this.socket.emit('ping')
  }

  fail(reason) {
    this.failures.push(reason)
    say('failure', { client: this.index, reason })
  }

  onMessage(m) {
    this.counts.events++
    if (m.workspaceId !== this.workspaceId) return void this.counts.foreign++
    const name = known(m.id)
    if (this.messages.has(name)) return void this.counts.duplicates++
    const shown = this.conversations.get(m.conversationId)
    if (!shown) return // not open in this client
    this.counts.messages++
    shown.unshift(name)
    this.messages.set(name, m.status)
    this.arrivals.set(name, `${Date.now()} connection ${this.counts.connects} created ${Date.parse(m.createdAt)}`)
    const created = Date.parse(m.createdAt)
    if (created >= this.opened) this.delays.push(Date.now() - created)
  }

  onStatus({ messageId, status }) {
    this.counts.events++
    const name = known(messageId)
    if (this.messages.has(name)) this.messages.set(name, status)
  }

  onConversation(c) {
    this.counts.events++
    if (c.workspaceId !== this.workspaceId) return void this.counts.foreign++
    this.list.set(c.id, known(c.lastMessage?.id))
  }

  digest() {
    return {
      client: this.index,
      conversations: Object.fromEntries(this.conversations),
      statuses: Object.fromEntries(this.messages),
      list: Object.fromEntries(this.list),
      arrivals: Object.fromEntries(this.arrivals),
      log: this.log,
    }
  }
}

const clients = options.clients.map((c, i) => new Client(i, c))
const openAll = () => Promise.all(clients.map((c) => c.open()))

const commands = {
  summary() {
    const total = (name) => clients.reduce((sum, c) => sum + c.counts[name], 0)
    say('summary', {
      connected: clients.filter((c) => c.socket.connected).length,
      known: clients.map((c) => c.messages.size),
      events: total('events'), messages: total('messages'), duplicates: total('duplicates'), foreign: total('foreign'),
      connects: total('connects'), disconnects: total('disconnects'), errors: total('errors'),
      toReload: clients.filter((c) => c.toReload).length,
      delays: clients.flatMap((c) => c.delays),
      failures: clients.flatMap((c) => c.failures),
    })
  },
  digest() {
    say('digest', { clients: clients.map((c) => c.digest()) })
  },
  send({ client, message }) {
    const c = clients[client]
    const name = known(message.messageId)
    c.conversations.get(message.conversationId).unshift(name)
    c.messages.set(name, 'pending')
    c.note('load', name, as(message.messageId, '', message.messageId, 'pending'))
    c.socket.emit('sendMessage', message)
    say('send')
  },
  open({ client, conversation }) {
    const c = clients[client]
    c.subscribe.push(conversation)
    c.conversations.set(conversation, [])
    c.ask(conversation)
    c.ping()
    say('open')
  },
  keep() {
    keep = true
    say('keep')
  },
  history({ client, page }) {
    const { pages, history: current } = clients[client]
    const { now, history } = pages[page] ?? { now: Date.now(), history: current }
    process.stdout.write(`{"event":"history","now":${now},"kept":${page < pages.length},"entries":[${history.join(',')}]}\n`)
  },
  async forget({ rows }) {
    for (const c of clients) {
      c.socket.disconnect()
      c.reset(rows)
    }
    await openAll()
    say('forget')
  },
  retarget({ url }) {
    options.url = url
    say('retarget')
  },
}

readline.createInterface({ input: process.stdin })
  .on('line', (line) => {
    const command = JSON.parse(line)
    commands[command.event](command)
  })
  .on('close', () => process.exit(0))

await openAll()
say('ready')
