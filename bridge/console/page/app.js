// The operator's page: it asks the bridge once a second and shows what it says.
import { byId, element, set, say, keyed, icon, favicon, words, count, rate, bytes, seconds, timeOfDay, moment, plain, isolated } from './dom.js'
import * as charts from './charts.js'

const every = 1000
const patience = 8000
const tokenKey = 'chatbridge.admin.token'

let boot = '' // of the bridge that the history is of
let order = '' // the value of the orders' header
let after = 0 // the number of the newest sample
let heard = 0 // when the bridge last answered
let lost = 0 // since when it does not
let typed = false // somebody did, and it was not taken yet

// Unheard: the bridge did not answer.
class Unheard extends Error {}

class Refused extends Error {
  constructor (status, text) {
    super(text)
    this.status = status
  }
}

// ask asks the bridge, with the token where there is one.
async function ask (path, options = {}) {
  const token = sessionStorage.getItem(tokenKey)
  if (/[^ -~]/.test(token || '')) throw new Refused(401, 'That is not the token.') // none has such a character, and no header
  const headers = { ...options.headers }
  if (token) headers.Authorization = 'Bearer ' + token
  let response, text
  try {
    response = await fetch(path, { cache: 'no-store', signal: AbortSignal.timeout(patience), ...options, headers })
    text = await response.text()
  } catch (e) {
    throw new Unheard(e.name === 'TimeoutError' ? 'no answer within ' + patience / 1000 + ' s' : 'no connection')
  }
  if (!response.ok) throw new Refused(response.status, text.trim() || 'HTTP ' + response.status)
  return text
}
const json = async path => JSON.parse(await ask(path))
const send = async (path, body) => JSON.parse(await ask(path, { method: 'POST', headers: { 'Content-Type': 'application/json', 'X-Console-Order': order }, body: JSON.stringify(body) }))

// ---- the token

// refusal says why the form is there.
function refusal () {
  if (sessionStorage.getItem(tokenKey)) return typed ? 'That is not the token.' : 'The token has changed: type the new one.'
  return heard ? 'The bridge asks for a token now.' : ''
}

function signIn (said) {
  for (const dialog of document.querySelectorAll('dialog[open]')) dialog.close() // it would be before the form
  byId('page').hidden = true
  byId('signin').hidden = false
  document.querySelector('footer').hidden = true // what it links to asks for the token too
  say(byId('signin-said'), said)
  document.title = 'Sign in · chatbridge'
  favicon('note')
  say(byId('heard'), '')
  if (document.activeElement !== byId('token')) byId('token').focus()
}

byId('signin-form').addEventListener('submit', e => {
  e.preventDefault()
  sessionStorage.setItem(tokenKey, byId('token').value)
  byId('token').value = ''
  typed = true
  refresh.now()
})

byId('signout').addEventListener('click', () => {
  sessionStorage.removeItem(tokenKey)
  location.reload()
})

// ---- the verdict

const linkTo = (doc, anchor, text) => element('a', { href: 'docs/' + doc + (anchor ? '#' + anchor : ''), 'data-doc': doc, 'data-anchor': anchor || '' }, text)

// runbook is a link to an entry; some names are documents of their own.
function runbook (entry) {
  if (!entry) return null
  if (entry === 'runbook' || entry === 'sending') return linkTo(entry, '', entry === 'runbook' ? 'Runbook' : 'Sending')
  return linkTo('runbook', entry, 'Runbook entry')
}

function showVerdict (v, others) {
  const level = v.level
  byId('verdict').className = 'level-' + level
  if (byId('verdict-icon').dataset.level !== level) {
    byId('verdict-icon').dataset.level = level
    byId('verdict-icon').replaceChildren(icon(level))
  }
  say(byId('verdict-word'), words[level])
  say(byId('verdict-title'), v.title)
  say(byId('verdict-what'), v.what || '')
  say(byId('verdict-do'), v.do ? 'What to do: ' + v.do : '')
  const links = byId('verdict-links')
  const text = (v.runbook || '') + (v.since || '')
  if (links.dataset.of !== text) {
    links.dataset.of = text
    links.replaceChildren(...[runbook(v.runbook), v.since ? element('span', {}, 'since ', moment(v.since), ' UTC') : null].filter(Boolean))
  }
  document.title = (level === 'ok' ? '' : words[level] + ': ') + v.title + ' · chatbridge'
  favicon(level)
  byId('others').hidden = !others.length
  keyed(byId('others-list'), others, p => p.level + p.part + p.title + p.what + p.do, p => element('li', {},
    icon(p.level), element('div', {}, element('strong', {}, words[p.level] + ': ' + p.title),
      p.what ? element('p', {}, p.what) : null, element('p', {}, p.do ? 'What to do: ' + p.do + ' ' : '', runbook(p.runbook)))))
}

// ---- the path

function showParts (list, parts) {
  const items = []
  for (const [i, p] of parts.entries()) {
    items.push({ key: p.id, part: p })
    if (i < parts.length - 1) items.push({ key: p.id + '>', flow: p })
  }
  keyed(list, items, i => i.key, i => i.part
    ? element('li', { class: 'part' }, element('div', { class: 'name' }), element('div', { class: 'state' }), element('dl', { class: 'figures' }))
    : element('li', { class: 'flow' }, element('span'), element('i', { 'aria-hidden': 'true' })),
  (e, i) => {
    if (i.flow) {
      set(e, { class: 'flow' + (i.flow.flows ? ' flows' : '') })
      say(e.firstChild, i.flow.flow || '')
      return
    }
    const p = i.part
    const [name, state, figures] = e.children
    if (e.dataset.level !== p.level) {
      e.dataset.level = p.level
      set(e, { class: 'part level-' + p.level })
      name.replaceChildren(icon(p.level), element('strong', {}, p.name))
    }
    say(name.lastChild, p.name)
    say(state, (p.level === 'degraded' || p.level === 'down' ? words[p.level] + ': ' : '') + p.state)
    showFigures(figures, p.figures)
  })
}

function showFigures (list, figures) {
  keyed(list, figures, f => f.name, f => element('div', {}, element('dt', {}, f.name), element('dd')), (e, f) => say(e.lastChild, f.value))
}

function showPath (s) {
  showParts(byId('path'), s.path)
  keyed(byId('lanes'), s.lanes, l => l.name, l => element('section', { 'aria-label': l.name }, element('h3', {}, l.name), element('ol', { class: 'lane' })), (e, l) => showParts(e.lastChild, l.parts))
}

// ---- what happened

function showTimeline (entries) {
  byId('timeline-empty').hidden = entries.length > 0
  keyed(byId('timeline'), entries, t => boot + t.id, () => element('li'), (e, t) => {
    const text = JSON.stringify(t)
    if (e.dataset.of === text) return
    e.dataset.of = text
    e.className = 'level-' + t.level
    e.replaceChildren(icon(t.level), element('div', { class: 'when' }, moment(t.at)), element('div', { class: 'what' },
      element('strong', {}, (t.level === 'degraded' || t.level === 'down' ? words[t.level] + ': ' : '') + t.title), ' ',
      element('span', { class: 'times' }, ...(t.count > 1 ? [count(t.count) + ' times since ', moment(t.first)] : [])),
      t.reason ? element('p', {}, t.reason) : null, t.do ? element('p', {}, 'What to do: ' + t.do) : null, t.runbook ? element('p', {}, runbook(t.runbook)) : null))
  })
}

// ---- the gateway

const modes = {
  auto: ['Let ChatEngine’s health decide', 'The bridge serves while ChatEngine is down, and hands clients back when it is well.'],
  'hold-local': ['Have the bridge serve', 'All clients come to the bridge and stay there, however well ChatEngine is. Screens live; texts can be sent only if send.mode is set. Meant for ChatEngine’s maintenance.'],
  'hold-upstream': ['Leave all to ChatEngine', 'All clients go to ChatEngine and stay there, however sick it is: while it is down, nobody is served.']
}

function showGateway (s) {
  byId('gateway').hidden = !s.mode
  if (!s.mode) return
  say(byId('gateway-said'), { upstream: 'ChatEngine serves new clients.', local: 'The bridge serves new clients.', 'handing-back': 'Clients are being handed back to ChatEngine.' }[s.serves] + ' Order: ' + s.mode + '.')
  keyed(byId('modes'), Object.entries(modes), m => m[0], ([mode, [title]]) => element('button', { type: 'button', onclick: () => orderMode(mode) }, title), (e, [mode]) => set(e, {
    'aria-pressed': String(s.mode === mode), disabled: Boolean(s.refuses), title: s.refuses || mode
  }))
}

function orderMode (mode) {
  confirm(modes[mode][0] + '?', modes[mode][1], modes[mode][0], () => send('gateway', { mode }))
}

// confirm asks before something is done, and shows why it could not be.
function confirm (title, text, yes, act) {
  const dialog = byId('ask')
  say(byId('ask-title'), title)
  say(byId('ask-text'), text)
  say(byId('ask-yes'), yes)
  say(byId('ask-said'), '')
  byId('ask-yes').disabled = false
  byId('ask-yes').onclick = async () => {
    byId('ask-yes').disabled = true
    try {
      await act()
      dialog.close()
      refresh.now()
    } catch (e) {
      say(byId('ask-said'), 'It was not done: ' + e.message)
      byId('ask-yes').disabled = false
    }
  }
  dialog.showModal()
  byId('ask-no').focus()
}

// ---- the check

let checking = false
let shownCheck = ''

async function showCheck () {
  const c = await json('console/check')
  checking = c.running
  byId('check-run').disabled = c.running || Boolean(refuses)
  set(byId('check-run'), { title: refuses || null })
  if (c.running) say(byId('check-said'), 'Checking…')
  if (c.running || !c.finished || shownCheck === c.finished) return
  shownCheck = c.finished
  const wrong = c.findings.filter(f => f.level !== 'ok')
  const fine = c.findings.filter(f => f.level === 'ok')
  const fails = wrong.filter(f => f.level === 'fail').length
  say(byId('check-said'), 'At ' + timeOfDay(new Date(c.finished)) + ' UTC: ' + (!wrong.length ? 'all ' + fine.length + ' findings are well.' : fails + ' of ' + c.findings.length + ' findings fail, ' + (wrong.length - fails) + ' warn.'))
  byId('check-found').replaceChildren(...[...wrong].sort((a, b) => (b.level === 'fail') - (a.level === 'fail')).map(finding))
  byId('check-fine').hidden = !fine.length
  say(byId('check-fine-title'), fine.length + ' are well')
  byId('check-fine-list').replaceChildren(...fine.map(f => element('li', {}, element('code', {}, f.id), ' ' + f.what)))
}

function finding (f) {
  const level = f.level === 'fail' ? 'down' : 'degraded'
  return element('li', {}, icon(level), element('div', {},
    element('strong', {}, (f.level === 'fail' ? 'Fails: ' : 'Warns: ') + f.what), f.meaning ? element('p', {}, f.meaning) : null,
    f.fix ? element('pre', {}, f.fix) : null, element('p', { class: 'quiet' }, element('code', {}, f.id + (f.object ? ' ' + f.object : '')), ' ', runbook(f.runbook))))
}

byId('check-run').addEventListener('click', async () => {
  byId('check-run').disabled = true
  try {
    await send('console/check', {})
  } catch (e) {
    say(byId('check-said'), 'It was not begun: ' + e.message)
  }
  showCheck().catch(() => {})
})

// ---- workspaces and clients

let refuses = ''
// While somebody is in the table, its rows stay where they are, so that he does not close
// another one's connection than he meant.
const inTable = () => byId('clients').matches(':hover') || byId('clients').contains(document.activeElement) || byId('ask').open

async function showPeople (s) {
  if (s.hidesPeople) {
    say(byId('people-empty'), s.hidesPeople)
    byId('people-empty').hidden = false
    byId('people-tables').hidden = true
    return
  }
  if (inTable()) {
    say(byId('people-said'), 'held while you are in the list')
    return
  }
  const p = await json('console/people?by=' + encodeURIComponent(byId('people-by').value) + '&find=' + encodeURIComponent(byId('people-find').value))
  if (inTable()) return
  byId('people-tables').hidden = !p.connected
  byId('people-empty').hidden = p.connected > 0
  say(byId('people-empty'), 'No client is connected to the bridge. Workspaces and their clients will be listed here, with what each is sent and what waits for it.')
  say(byId('people-said'), p.connected ? count(p.connected) + (p.connected === 1 ? ' client of ' : ' clients of ') + count(p.ofWorkspaces) + (p.ofWorkspaces === 1 ? ' workspace' : ' workspaces') +
    (p.matching > p.clients.length ? '; the first ' + p.clients.length + ' of ' + count(p.matching) : '') : '')
  keyed(byId('workspaces'), p.workspaces, w => w.id, () => row(5), (e, w) => fill(e, labels('workspaces'), [w.id, count(w.clients), rate(w.rate), waiting(w), seconds(w.oldest)], [0]))
  keyed(byId('clients'), p.clients, c => c.id, c => {
    const e = row(7)
    e.append(element('td', {}, element('button', { type: 'button', class: 'small', onclick: () => closeClient(c), disabled: Boolean(refuses), title: refuses || null, 'aria-label': 'Close the connection of ' + plain(c.user) + ' at ' + c.address }, 'Close')))
    return e
  }, (e, c) => fill(e, labels('clients'), [c.user, c.workspace, c.address, c.transport, rate(c.rate), waiting(c), seconds(c.age)], [0, 1, 2]))
}

const waiting = c => bytes(c.queuedBytes) + (c.catchingUp ? ', catching up' : '')
// labels are a table's headings, which its cells bear where a window is too narrow for columns.
const labels = id => [...byId(id).closest('table').querySelectorAll('th')].map(h => h.textContent.trim())
const row = cells => element('tr', {}, ...Array.from({ length: cells }, () => element('td')))

// fill sets a row's cells; those of ids are cut where there is no room, and whole in the title.
function fill (e, names, texts, ids) {
  texts.forEach((text, i) => {
    const cell = e.children[i]
    text = plain(text)
    say(cell, text)
    set(cell, { 'data-label': names[i] })
    if (ids.includes(i)) set(cell, { class: 'id', title: text })
    else if (i >= texts.length - 3 || texts.length === 5) set(cell, { class: 'n' })
  })
}

function closeClient (c) {
  confirm('Close the connection of ' + isolated(c.user) + '?', 'From ' + (c.address || 'a socket') + ', of workspace ' + isolated(c.workspace) + ', connected for ' + seconds(c.age) +
    '. The client comes back by itself and gets what it missed; where that cannot be had, or a gap lies in that time, it is told so. Who shall not come back needs a token that is refused.', 'Close the connection', () => send('console/close', { id: c.id }))
}

byId('people-by').addEventListener('change', () => refresh.now())
let typing
byId('people-find').addEventListener('input', () => {
  clearTimeout(typing)
  typing = setTimeout(() => refresh.now(), 250)
})

// ---- refusals

const kinds = { token: 'Token', admin: 'Operator’s token', event: 'Client’s event', request: 'Request', connection: 'Connection', gateway: 'Gateway', webhook: 'Webhook', gap: 'Client told of a gap', row: 'Row', word: 'Unknown word' }

function showRefusals (list) {
  byId('refusals-empty').hidden = list.length > 0
  byId('refusals-table').hidden = !list.length
  keyed(byId('refused'), list, r => r.of + ' ' + r.reason, r => element('tr', {},
    ...[kinds[r.of] || r.of, element('code', {}, r.reason), '', ''].map((child, i) => element('td', { class: i > 1 ? 'n' : null, 'data-label': labels('refused')[i] }, child)),
    element('td', { class: 'meaning' }, r.meaning + ' ', element('span', { class: 'words' }), runbook(r.runbook))),
  (e, r) => {
    say(e.children[2], count(r.hour))
    say(e.children[3], count(r.total))
    keyed(e.querySelector('.words'), r.words || [], w => w, w => element('span', {}, element('code', {}, w), ' '))
    e.className = r.hour ? '' : 'past'
  })
}

// ---- the documents, read here so that they are at hand when the bridge is not

const parsed = new Map()
const trust = window.trustedTypes ? window.trustedTypes.createPolicy('docs', { createHTML: text => text }) : { createHTML: text => text }

async function documentOf (name) {
  if (!parsed.has(name)) {
    const html = await ask('docs/' + name)
    const main = new DOMParser().parseFromString(trust.createHTML(html), 'text/html').querySelector('main')
    for (const table of main.querySelectorAll('table')) {
      const box = element('div', { class: 'scroll' })
      table.replaceWith(box)
      box.append(table)
    }
    parsed.set(name, main)
  }
  return parsed.get(name)
}

async function openDocument (name, anchor) {
  const reader = byId('reader')
  const text = byId('reader-text')
  try {
    text.replaceChildren(document.importNode(await documentOf(name), true))
  } catch (e) {
    text.replaceChildren(element('p', {}, 'The document cannot be had: ' + e.message))
  }
  if (!reader.open) reader.showModal()
  const at = anchor ? text.querySelector('#' + CSS.escape(anchor)) : null
  for (const e of text.querySelectorAll('.found')) e.classList.remove('found')
  if (at) {
    at.classList.add('found')
    at.scrollIntoView()
  } else text.scrollTop = 0
  text.focus({ preventScroll: true })
}

// openRaw shows a path's text, which the token is asked for.
async function openRaw (path) {
  const text = byId('reader-text')
  try {
    text.replaceChildren(element('h1', {}, path), element('pre', {}, await ask(path)))
  } catch (e) {
    text.replaceChildren(element('p', {}, path + ' cannot be had: ' + e.message))
  }
  if (!byId('reader').open) byId('reader').showModal()
  text.scrollTop = 0
  text.focus({ preventScroll: true })
}

document.addEventListener('click', e => {
  const link = e.target.closest('a')
  if (!link || e.ctrlKey || e.metaKey || e.shiftKey || e.button) return
  if (link.dataset.raw !== undefined) {
    if (!sessionStorage.getItem(tokenKey)) return
    e.preventDefault() // the browser would go there without the token
    openRaw(link.getAttribute('href'))
  } else if (link.dataset.doc !== undefined) {
    e.preventDefault()
    openDocument(link.dataset.doc, link.dataset.anchor)
  } else if (byId('reader-text').contains(link)) {
    const to = link.getAttribute('href')
    if (/^https?:/.test(to)) return
    e.preventDefault()
    const [name, anchor] = to.split('#')
    if (name) openDocument(name, anchor)
    else byId('reader-text').querySelector('#' + CSS.escape(anchor))?.scrollIntoView()
  }
})
byId('reader-close').addEventListener('click', () => byId('reader').close())
byId('reader-index').addEventListener('click', () => openDocument('', ''))
byId('reader').addEventListener('click', e => { if (e.target === byId('reader')) byId('reader').close() })

// ---- asking, again and again

function show (s) {
  if (s.boot !== boot) {
    boot = s.boot
    after = 0
    shownCheck = ''
    charts.forget()
  }
  order = s.order
  refuses = s.refuses || ''
  for (const e of document.querySelectorAll('.refuses')) {
    e.hidden = !refuses
    say(e, refuses)
  }
  byId('signin').hidden = true
  byId('page').hidden = false
  document.querySelector('footer').hidden = false
  byId('signout').hidden = !sessionStorage.getItem(tokenKey)
  const others = s.problems.filter(p => p.title !== s.verdict.title && p.title !== s.verdict.what)
  showVerdict(s.verdict, others)
  showPath(s)
  showTimeline(s.timeline)
  showGateway(s)
  byId('slot').hidden = !s.slot.length && !s.path.some(p => p.id === 'database' && p.name === 'Database')
  byId('slot-empty').hidden = s.slot.length > 0
  showFigures(byId('slot-figures'), s.slot)
  showRefusals(s.refusals)
  say(byId('build'), s.build.version ? s.build.version + ', up ' + seconds((Date.parse(s.now) - Date.parse(s.started)) / 1000) : '')
}

// gone tells that the bridge does not answer. What was shown before stays, pale.
function gone (why) {
  if (!lost) lost = Date.now()
  byId('page').classList.add('stale')
  byId('page').hidden = false
  byId('signin').hidden = true
  showVerdict({
    level: 'down', title: 'The bridge does not answer', since: new Date(lost).toISOString(), runbook: parsed.has('runbook') ? 'bridgedown' : '',
    what: (heard ? 'What is below is as of ' + timeOfDay(new Date(heard)) + ' UTC. ' : '') + 'This page asks again every second (' + why + ').',
    do: 'See whether the process is up: systemctl status bridge, journalctl -u bridge -n 50.'
  }, [])
}

const refresh = {
  timer: 0,
  running: false,
  again: false,
  now () {
    if (this.running) {
      this.again = true
      return
    }
    clearTimeout(this.timer)
    this.round()
  },
  async round () {
    this.running = true
    try {
      const s = await json('console/state')
      heard = Date.now()
      lost = 0
      typed = false
      byId('page').classList.remove('stale')
      show(s)
      say(byId('heard'), 'as of ' + timeOfDay(new Date()) + ' UTC')
      const h = await json('console/history?after=' + after)
      if (h.boot === boot && h.last !== after) {
        after = h.last
        charts.add(h)
      }
      await showPeople(s)
      if (checking || !shownCheck) await showCheck()
      documentOf('runbook').catch(() => {})
    } catch (e) {
      if (e.status === 401 || e.status === 429) { // 429: a wrong one, after many
        signIn(refusal())
        sessionStorage.removeItem(tokenKey)
        typed = false
      } else if (e instanceof Unheard || e instanceof Refused) gone(e.message)
      else {
        reportError(e)
        say(byId('heard'), 'this page has a fault: ' + e.message)
      }
    }
    this.running = false
    const soon = this.again
    this.again = false
    this.timer = setTimeout(() => this.round(), soon ? 0 : byId('signin').hidden ? every : 3600000)
  }
}
refresh.now()
