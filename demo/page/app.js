// The CRM's rules, as far as they matter here: a message whose id, WhatsApp's id or client's
// id is known is dropped; a status belongs to the message of whose names it has one; the list
// is sorted by the last message; what is missed while the line is down is not asked for.
// All texts go into the page as text.
'use strict'
;(() => {
  const { workspace, token, control } = document.body.dataset
  const byId = id => document.getElementById(id)
  const element = (tag, className, text) => {
    const e = document.createElement(tag)
    if (className) e.className = className
    if (text !== undefined) e.textContent = text
    return e
  }
  const clock = time => new Date(time).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })

  // ---- what the page knows

  const conversations = new Map() // id: { id, name, last, unread, typing, messages }
  const messages = new Map() // every name of a message: the message
  let shown = 0 // different messages
  let older = 0 // those that the page did not load, all from before oldest
  let oldest = ''
  let open // id of the open conversation
  let loaded = false
  const waiting = [] // events that came before the tables were read

  const rendered = 60 // bubbles of a conversation
  const phone = /^\+?[1-9]\d{10,14}(@s\.whatsapp\.net)?$/

  function conversationOf (id) {
    let c = conversations.get(id)
    if (!c) conversations.set(id, c = { id, name: id.slice(0, 8), unread: 0, typing: false, messages: [] })
    return c
  }

  // add takes a message; it is false for one that is known.
  function add (m) {
    const names = [m.id, m.external, m.client].filter(Boolean)
    const known = names.map(n => messages.get(n)).find(Boolean)
    for (const n of names) if (!messages.has(n)) messages.set(n, known || m)
    if (known || m.createdAt < oldest) return false
    shown++
    const c = conversationOf(m.conversation)
    c.messages.push(m)
    if (!c.last || m.createdAt >= c.last.createdAt) c.last = m
    return true
  }

  // ---- the socket

  const socket = io({
    path: '/api/ws', auth: { token }, transports: ['websocket', 'polling'],
    reconnection: true, reconnectionDelay: 1000, reconnectionAttempts: 5
  })
  let connectedAt = '' // when the line was last restored
  let caughtUp = 0 // messages from before that which came since
  let announce

  const handlers = {
    message (p) {
      if (p.workspaceId !== workspace) return
      const metadata = p.metadata || {}
      const m = {
        id: p.id, external: metadata.providerMessageId, client: metadata.clientMessageId, conversation: p.conversationId,
        outgoing: !phone.test(p.senderId), type: p.type, content: p.content, status: p.status, createdAt: p.createdAt
      }
      if (!add(m)) return
      const c = conversationOf(m.conversation)
      c.typing = c.typing && m.outgoing
      if (c.id === open) showMessage(m, c)
      else if (!m.outgoing) c.unread++
      if (connectedAt && m.createdAt < connectedAt) {
        caughtUp++
        clearTimeout(announce)
        announce = setTimeout(() => { say('caught up ' + caughtUp); caughtUp = 0 }, 500)
      }
      changed()
    },
    conversation (p) {
      if (p.workspaceId !== workspace) return
      const c = conversationOf(p.id)
      if (p.participants.length) c.name = p.participants[0].name
      changed()
    },
    messageStatus (p) {
      const m = messages.get(p.messageId)
      if (!m) return
      m.status = p.status
      if (m.tick) showTick(m)
    },
    typing (p) {
      conversationOf(p.conversationId).typing = p.isTyping
      changed()
    },
    gap (p) { say('the bridge says that something is missing since ' + clock(p.since)) }
  }
  for (const [name, handle] of Object.entries(handlers)) {
    socket.on(name, payload => { loaded ? handle(payload) : waiting.push(() => handle(payload)) })
  }
  let before = false // whether it was connected before
  socket.on('connect', () => {
    if (before) {
      connectedAt = new Date().toISOString()
      say('this page’s line is back')
    } else load()
    before = true
    showLine('connected', 'good')
  })
  socket.on('disconnect', reason => {
    say('this page’s line is down: ' + reason)
    showLine('reconnecting', 'bad')
  })
  socket.io.on('reconnect_failed', () => showLine('gave up, reload', 'bad'))
  socket.on('connect_error', error => { if (!socket.active) showLine('refused: ' + error.message, 'bad') })

  // ---- what the demo says

  const ask = (path, method = 'GET') => fetch('/demo/' + path + '?workspace=' + workspace, {
    method, headers: { 'X-Demo-Token': control }, cache: 'no-store'
  })

  // load reads what there is already. The socket is connected by then, so nothing falls between.
  async function load () {
    try {
      const response = await ask('history')
      if (!response.ok) throw new Error(await response.text())
      const h = await response.json()
      older = h.older
      for (const c of h.conversations) conversationOf(c.id).name = c.name
      for (const m of h.messages) add(m)
      if (older > 0) oldest = h.messages[0].createdAt
      loaded = true
      choose(h.conversations[0].id)
      for (const play of waiting.splice(0)) play()
    } catch {
      setTimeout(load, 1000)
    }
  }

  let seen = 0 // the number of the last line of the demo that is shown
  let database = 0
  let engineAlive = true
  async function look () {
    try {
      const response = await ask('state')
      if (response.status === 403) return showLine('another demo runs here: reload', 'bad')
      const s = await response.json()
      for (const h of s.happened) {
        if (h.number > seen) say(h.text, h.at)
        seen = Math.max(seen, h.number)
      }
      database = s.messages
      engineAlive = s.chatEngine
      put('serving', s.serving === 'local' ? 'the bridge' : 'ChatEngine', s.serving === 'local' ? 'poor' : 'good')
      put('database', s.postgres ? database : 'restarting', s.postgres ? '' : 'poor')
      byId('engine').textContent = engineAlive ? 'Kill ChatEngine' : 'Restore ChatEngine'
      for (const id of ['engine', 'restart', 'cut', 'burst']) byId(id).disabled = false
      byId('restart').disabled = !s.postgres
      count()
    } catch {
      put('serving', 'the demo has ended', 'bad')
    }
    setTimeout(look, 250)
  }

  // ---- showing it

  // put sets a text only where it changes, so that nothing is read out twice.
  function put (id, text, className = '') {
    const e = byId(id)
    if (e.textContent !== String(text)) e.textContent = text
    e.className = className
  }
  const showLine = (text, className) => put('line', text, className)
  // count compares what the page has with what the database had a moment ago.
  function count () {
    if (!loaded) return
    const here = older + shown
    put('shown', here)
    if (here >= database) put('missing', 'nothing', 'good')
    else put('missing', (database - here) + ' to come', 'poor')
  }
  function say (text, at) {
    const li = element('li'), list = byId('happened')
    const time = element('time', '', new Date(at || Date.now()).toLocaleTimeString())
    li.append(time, text)
    list.prepend(li) // the newest is first, so that it is in sight
    while (list.children.length > 200) list.lastChild.remove()
  }
  const ticks = { pending: ['🕓', 'pending'], sent: ['✓', 'sent'], delivered: ['✓✓', 'delivered'], read: ['✓✓', 'read'], failed: ['!', 'failed'] }
  function showTick (m) {
    const [sign, word] = ticks[m.status] || ['', m.status]
    m.tick.textContent = sign
    m.tick.className = 'tick ' + m.status
    m.tick.setAttribute('role', 'img')
    m.tick.setAttribute('aria-label', word)
    m.tick.title = word
  }
  const media = { image: '📷 image', video: '🎬 video', audio: '🎤 audio', file: '📄 file' }
  function bubble (m) {
    const li = element('li', m.outgoing ? 'mine' : '')
    if (media[m.type]) li.append(element('span', 'media', media[m.type] + (m.content ? ' · ' : '')))
    li.append(m.content)
    const meta = element('span', 'meta', clock(m.createdAt))
    if (m.outgoing) {
      m.tick = element('span')
      showTick(m)
      meta.append(m.tick)
    }
    li.append(meta)
    return li
  }
  function showMessage (m) {
    const list = byId('thread')
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 80
    list.append(bubble(m))
    while (list.children.length > rendered) list.firstChild.remove()
    if (atEnd) list.scrollTop = list.scrollHeight
  }
  function choose (id) {
    open = id
    const c = conversationOf(id)
    c.unread = 0
    const list = byId('thread')
    list.replaceChildren(...c.messages.slice(-rendered).map(bubble))
    list.scrollTop = list.scrollHeight
    changed()
  }

  // changed shows the list soon, once for many events.
  let due = false
  function changed () {
    if (due) return
    due = true
    setTimeout(() => { due = false; showList() }, 100)
  }
  const buttons = new Map() // id of a conversation: its parts in the list
  function showList () {
    const list = byId('conversations')
    const sorted = [...conversations.values()].sort((a, b) =>
      ((b.last || {}).createdAt || '').localeCompare((a.last || {}).createdAt || '') || a.name.localeCompare(b.name))
    sorted.forEach((c, i) => {
      let b = buttons.get(c.id)
      if (!b) {
        b = { li: element('li'), button: element('button'), name: element('span', 'name'), when: element('span', 'when'), last: element('span', 'last'), unread: element('span', 'unread') }
        b.button.type = 'button'
        b.button.append(b.name, b.when, b.last, b.unread)
        b.button.addEventListener('click', () => choose(c.id))
        b.li.append(b.button)
        buttons.set(c.id, b)
      }
      b.name.textContent = c.name
      b.when.textContent = c.last ? clock(c.last.createdAt) : ''
      b.last.textContent = c.typing ? 'typing …' : c.last ? (c.last.content || media[c.last.type] || '') : 'no messages yet'
      b.last.classList.toggle('active', c.typing)
      b.unread.textContent = c.unread || ''
      b.unread.setAttribute('aria-label', c.unread + ' unread')
      c.id === open ? b.button.setAttribute('aria-current', 'true') : b.button.removeAttribute('aria-current')
      // A button that has the focus keeps its place: moving it would take the focus away.
      if (list.children[i] !== b.li && !list.contains(document.activeElement)) list.insertBefore(b.li, list.children[i] || null)
      else if (!b.li.parentNode) list.append(b.li)
    })
    const c = conversations.get(open)
    if (!c) return
    put('title', c.name)
    put('typing', c.typing ? 'typing …' : '')
  }

  // ---- the buttons

  async function press (action) {
    let problem = ''
    try {
      const response = await ask('do/' + action, 'POST')
      if (!response.ok) problem = await response.text()
    } catch {
      problem = 'The demo does not answer.'
    }
    put('refused', problem)
  }
  byId('engine').addEventListener('click', () => press(engineAlive ? 'kill' : 'restore'))
  byId('restart').addEventListener('click', () => press('restart'))
  byId('burst').addEventListener('click', () => press('burst'))
  byId('cut').addEventListener('click', () => {
    say('this page’s line is cut')
    if (socket.io.engine) socket.io.engine.close()
  })
  look()
})()
