// What the page is made of. Everything that comes from the bridge becomes text, never HTML.

export const byId = id => document.getElementById(id)

// element makes an element; texts among the children become text nodes.
export function element (tag, attributes = {}, ...children) {
  const e = document.createElement(tag)
  set(e, attributes)
  e.append(...children.filter(c => c !== null && c !== undefined && c !== ''))
  return e
}

const SVG = 'http://www.w3.org/2000/svg'

export function svg (tag, attributes = {}, ...children) {
  const e = document.createElementNS(SVG, tag)
  set(e, attributes)
  e.append(...children)
  return e
}

export function set (e, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) e.addEventListener(name.slice(2), value)
    else if (value === false || value === null || value === undefined) e.removeAttribute(name)
    else e.setAttribute(name, value === true ? '' : value)
  }
}

// say sets a text, and only where it differs: a screen reader reads what changes.
export function say (e, text) {
  if (e.textContent !== text) e.textContent = text
}

// keyed makes the children of a parent one for each item, in their order. An item's element
// stays the same while its key does, and with it focus and selection.
export function keyed (parent, items, key, make, update) {
  const had = new Map([...parent.children].map(e => [e.dataset.key, e]))
  const used = new Set()
  let at = parent.firstElementChild
  for (const item of items) {
    let k = String(key(item))
    while (used.has(k)) k += ' again' // two elements of one key could not be told apart
    used.add(k)
    let e = had.get(k)
    had.delete(k)
    if (!e) {
      e = make(item)
      e.dataset.key = k
    }
    if (update) update(e, item)
    if (e === at) at = at.nextElementSibling
    else parent.insertBefore(e, at)
  }
  for (const e of had.values()) e.remove()
}

// The levels by shape, word and colour, so that none of the three is needed.
const shapes = {
  ok: ['<circle cx="12" cy="12" r="11"/>', 'M6.5 12.5l3.8 3.8 7.4-8.2'],
  note: ['<circle cx="12" cy="12" r="11"/>', 'M12 6.2v.6M12 10.5v7'],
  degraded: ['<path d="M12 1.2 23.4 22H.6Z"/>', 'M12 8.6v6.2M12 18.2v.4'],
  down: ['<path d="M7.4 1h9.2L23 7.4v9.2L16.6 23H7.4L1 16.6V7.4Z"/>', 'M7.6 7.6l8.8 8.8M16.4 7.6l-8.8 8.8']
}
export const words = { ok: 'All is well', note: 'To be known', degraded: 'Degraded', down: 'Down' }
const colours = { ok: '#0b7a68', note: '#2f6db3', degraded: '#c77700', down: '#c2264b' }

// icon is a level's sign.
export function icon (level) {
  const outer = {
    ok: () => svg('circle', { cx: 12, cy: 12, r: 11 }),
    note: () => svg('circle', { cx: 12, cy: 12, r: 11 }),
    degraded: () => svg('path', { d: 'M12 1.2 23.4 22H.6Z' }),
    down: () => svg('path', { d: 'M7.4 1h9.2L23 7.4v9.2L16.6 23H7.4L1 16.6V7.4Z' })
  }[level]()
  outer.setAttribute('class', 'sign')
  return svg('svg', { viewBox: '0 0 24 24', class: 'icon level-' + level, 'aria-hidden': 'true' }, outer, svg('path', { d: shapes[level][1], class: 'mark' }))
}

// favicon shows the level in the tab.
export function favicon (level) {
  const [outer, mark] = shapes[level]
  const text = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><g fill="${colours[level]}">${outer}</g><path d="${mark}" fill="none" stroke="#fff" stroke-width="2.6" stroke-linecap="round" stroke-linejoin="round"/></svg>`
  const link = document.querySelector('link[rel=icon]')
  const href = 'data:image/svg+xml,' + encodeURIComponent(text)
  if (link.getAttribute('href') !== href) link.setAttribute('href', href)
}

// Numbers as people read them; null is what is not known.
export const count = n => n === null ? '–' : Math.round(n).toString().replace(/\B(?=(\d{3})+(?!\d))/g, ' ')
export const rate = n => n === null ? '–' : n === 0 ? '0/s' : n < 10 ? n.toFixed(1) + '/s' : count(n) + '/s'
export function bytes (n) {
  if (n === null) return '–'
  for (const unit of ['B', 'KiB', 'MiB', 'GiB']) {
    if (n < 1024 || unit === 'GiB') return (unit === 'B' ? Math.round(n) : Number(n.toPrecision(3))) + ' ' + unit
    n /= 1024
  }
}
export function seconds (n) {
  if (n === null) return '–'
  if (n === 0) return '0 s'
  if (n < 1) return Number((1000 * n).toPrecision(3)) + ' ms'
  if (n < 120) return Number(n.toPrecision(3)) + ' s'
  if (n < 7200) return Math.round(n / 60) + ' min'
  if (n < 172800) return Math.round(n / 3600) + ' h'
  return Math.round(n / 86400) + ' d'
}

const two = n => String(n).padStart(2, '0')
// All times on the page are UTC, as in what the bridge says and in its log.
export const timeOfDay = t => two(t.getUTCHours()) + ':' + two(t.getUTCMinutes()) + ':' + two(t.getUTCSeconds())

// moment is a time, with that of the reader's clock in its title.
export function moment (text) {
  const t = new Date(text)
  const iso = t.toISOString()
  const day = new Date().toISOString().slice(0, 10) === iso.slice(0, 10) ? '' : iso.slice(0, 10) + ' '
  return element('time', { datetime: iso, title: t.toString() }, day + timeOfDay(t))
}

// plain is a text in which what is not seen, or turns the direction of what follows, is
// written out.
export const plain = text => (text || '').replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, c => '\\u' + c.codePointAt(0).toString(16).padStart(4, '0'))

// isolated is such a text within a sentence, whose direction it does not change.
export const isolated = text => '\u2068' + plain(text) + '\u2069'
