// The last hour as small charts, which share their time: what is read on one is read on all.
import { byId, element, svg, set, say, count, rate, bytes, seconds, timeOfDay } from './dom.js'

const charts = [
  { id: 'events', title: 'Events published', unit: rate, lines: [['message', 'message'], ['conversation', 'conversation'], ['messageStatus', 'status'], ['typing', 'typing']], sum: true },
  { id: 'delay', title: 'Commit to client', unit: seconds, lines: [['p50', 'p50'], ['p99', 'p99']], points: true },
  { id: 'lag', title: 'Behind the database', unit: seconds, lines: [['lag', 'late']] },
  { id: 'clients', title: 'Clients', unit: count, lines: [['clients', 'at the bridge'], ['proxied', 'at ChatEngine']], whole: true },
  { id: 'packets', title: 'Packets to clients', unit: rate, lines: [['packets', 'packets']] },
  { id: 'queue', title: 'Waiting for slow clients', unit: bytes, binary: true, lines: [['queued', 'waiting']] },
  { id: 'wal', title: 'WAL held by the slot', unit: bytes, binary: true, lines: [['held', 'held']] },
  { id: 'trouble', title: 'Refused and ended', unit: rate, lines: [['refused', 'refused'], ['closed', 'connections ended']] }
]

// data is the hour as it is known: columns of equal length.
const data = { at: [], series: {}, span: 720, step: 5000 }
let chosen = null // the index that is read, null for the newest

export function forget () {
  data.at = []
  data.series = {}
  chosen = null
}

// add appends what is new.
export function add (answer) {
  data.span = answer.span
  data.step = answer.stepMilliseconds
  for (const [name, values] of Object.entries(answer.series)) {
    data.series[name] = [...(data.series[name] || []), ...values].slice(-data.span)
  }
  const before = data.at.length
  data.at = [...data.at, ...answer.at].slice(-data.span)
  if (chosen !== null) chosen = Math.max(0, chosen - Math.max(0, before + answer.at.length - data.span))
  draw()
}

// range is the time that is shown: what there is, five minutes at least.
function range () {
  const end = data.at[data.at.length - 1]
  const begin = Math.min(data.at[0], end - 300000)
  return [begin, end]
}

// niceTop is the end of a scale that has the greatest value on it.
function niceTop (value, chart) {
  if (!(value > 0)) return chart.whole ? 4 : chart.binary ? 1024 : 1
  if (chart.binary) {
    let unit = 1
    while (value / unit >= 1024) unit *= 1024
    return unit * Math.pow(2, Math.ceil(Math.log2(value / unit)))
  }
  const power = Math.pow(10, Math.floor(Math.log10(value)))
  for (const m of [1, 2, 4, 5, 10]) if (value <= m * power && !(chart.whole && m * power < 4)) return m * power
  return 10 * power
}

// The sizes follow the page's text, which follows the window.
let rem, height, top, bottom
function measure () {
  rem = parseFloat(getComputedStyle(document.documentElement).fontSize)
  height = Math.round((innerWidth < 40 * rem ? 4.6 : 7) * rem)
  top = Math.round(rem / 2)
  bottom = Math.round(1.3 * rem)
}

function known (chart) {
  return chart.lines.filter(([name]) => (data.series[name] || []).some(v => v !== null))
}

function build () {
  byId('charts').append(...charts.map(chart => {
    const figure = element('figure', { id: 'chart-' + chart.id, tabindex: 0, role: 'img', 'aria-describedby': 'charts-help' })
    chart.readout = element('div', { class: 'readout' })
    chart.empty = element('p', { class: 'empty' }, 'Nothing to draw yet.')
    chart.svg = svg('svg', { 'aria-hidden': 'true' })
    figure.append(element('figcaption', {}, element('span', {}, chart.title)), chart.readout, chart.svg, chart.empty)
    figure.addEventListener('pointermove', e => choose(indexAt(chart, e)))
    figure.addEventListener('pointerleave', () => choose(null))
    figure.addEventListener('blur', () => choose(null))
    figure.addEventListener('keydown', e => {
      const last = data.at.length - 1
      const from = chosen === null ? last : chosen
      const to = { ArrowLeft: from - 1, ArrowRight: from + 1, PageUp: from - 60, PageDown: from + 60, Home: 0, End: last, Escape: null }[e.key]
      if (to === undefined) return
      e.preventDefault()
      choose(to === null ? null : Math.max(0, Math.min(last, to)))
    })
    chart.figure = figure
    return figure
  }))
  new ResizeObserver(() => draw()).observe(byId('charts'))
}

function indexAt (chart, event) {
  if (!data.at.length) return null
  const box = chart.svg.getBoundingClientRect()
  const [begin, end] = range()
  const t = begin + (end - begin) * (event.clientX - box.left) / box.width
  let best = 0
  for (let i = 1; i < data.at.length; i++) if (Math.abs(data.at[i] - t) < Math.abs(data.at[best] - t)) best = i
  return best
}

function choose (index) {
  if (index === chosen) return
  chosen = index
  for (const chart of charts) read(chart)
}

// read shows the values of the chosen moment, or the newest.
function read (chart) {
  const index = chosen === null ? data.at.length - 1 : chosen
  const lines = known(chart)
  const parts = lines.map(([name, label]) => [label, chart.unit(data.series[name][index] ?? null), chart.lines.findIndex(l => l[0] === name)])
  chart.readout.replaceChildren(...parts.map(([label, value, i]) => element('span', { class: 'value line-' + i }, element('i', { class: 'key' }), element('b', {}, value), lines.length > 1 ? ' ' + label : '')))
  if (chosen !== null && data.at[index]) chart.readout.prepend(element('span', { class: 'when' }, timeOfDay(new Date(data.at[index]))))
  const when = chosen === null ? 'now' : 'at ' + timeOfDay(new Date(data.at[index]))
  const text = parts.map(([label, value]) => label + ' ' + value).join(', ')
  chart.figure.setAttribute('aria-label', chart.title + ', ' + (text ? when + ': ' + text + '. ' + (chart.summary || '') : 'nothing to draw yet'))
  if (chart.cursor) {
    set(chart.cursor, { visibility: chosen === null ? 'hidden' : 'visible' })
    if (chosen !== null) {
      const x = chart.x(data.at[index])
      set(chart.cursor, { x1: x, x2: x })
    }
  }
}

function draw () {
  if (!data.at.length) return
  measure()
  const [begin, end] = range()
  for (const chart of charts) drawOne(chart, begin, end)
  strip(begin, end)
}

function drawOne (chart, begin, end) {
  const lines = known(chart)
  chart.figure.hidden = chart.id === 'wal' && !lines.length // no slot
  chart.empty.hidden = lines.length > 0
  const width = Math.max(160, chart.svg.parentElement.clientWidth - 24)
  const all = lines.flatMap(([name]) => data.series[name].filter(v => v !== null))
  const most = Math.max(0, ...all)
  const ceiling = niceTop(most, chart)
  const x = t => (t - begin) / (end - begin) * width
  const y = v => top + (height - top - bottom) * (1 - v / ceiling)
  chart.x = x
  set(chart.svg, { viewBox: `0 0 ${width} ${height}`, width, height })
  const drawn = []
  // The times at which something was wrong, behind the lines.
  for (const [level, from, to] of spans('level', 2)) drawn.push(svg('rect', { class: 'wrong-' + level, x: x(from), y: top, width: Math.max(1, x(to) - x(from)), height: height - top - bottom }))
  for (const share of [0, 0.5, 1]) {
    drawn.push(svg('line', { class: 'grid', x1: 0, x2: width, y1: y(ceiling * share), y2: y(ceiling * share) }))
  }
  const scale = svg('text', { class: 'scale', x: 2, y: y(ceiling) + 0.75 * rem })
  scale.textContent = lines.length ? chart.unit(ceiling) : ''
  drawn.push(scale)
  const minutes = Math.round((end - begin) / 60000)
  for (const [share, anchor, text] of [[0, 'start', minutes + ' min ago'], [1, 'end', 'now']]) {
    const t = svg('text', { class: 'scale', x: share * width, y: height - 0.3 * rem, 'text-anchor': anchor })
    t.textContent = text
    drawn.push(t)
  }
  for (const [name] of lines) {
    drawn.push(...curve(data.series[name], x, y, 'line line-' + chart.lines.findIndex(l => l[0] === name), chart.points))
  }
  chart.cursor = svg('line', { class: 'cursor', y1: top, y2: height - bottom, visibility: 'hidden' })
  drawn.push(chart.cursor)
  chart.svg.replaceChildren(...drawn)
  chart.summary = lines.length ? 'Most in ' + minutes + ' minutes: ' + chart.unit(most) + '.' : ''
  read(chart)
}

// curve breaks where values are not known; a value alone is a dot.
function curve (values, x, y, kind, points) {
  const out = []
  let path = ''
  let run = 0
  const flush = i => {
    if (run === 1) out.push(svg('circle', { class: kind + ' dot', cx: x(data.at[i - 1]), cy: y(values[i - 1]), r: points ? 1.8 : 1.5 }))
    else if (run > 1) out.push(svg('path', { class: kind, d: path }))
    path = ''
    run = 0
  }
  for (let i = 0; i < values.length; i++) {
    const v = values[i]
    const late = i > 0 && data.at[i] - data.at[i - 1] > 3 * data.step
    if (v === null || late) flush(i)
    if (v === null) continue
    path += (run ? 'L' : 'M') + x(data.at[i]).toFixed(1) + ' ' + y(v).toFixed(1)
    run++
  }
  flush(values.length)
  return out
}

const names = ['ok', 'note', 'degraded', 'down']

// spans are the times for which the level was the same, from a level on.
function spans (name, from) {
  const values = data.series[name] || []
  const out = []
  for (let i = 0; i < values.length; i++) {
    if (values[i] === null || values[i] < from) continue
    const level = names[values[i]]
    const last = out[out.length - 1]
    const begin = i > 0 ? data.at[i - 1] : data.at[i] - data.step
    if (last && last[0] === level && last[2] === begin) last[2] = data.at[i]
    else out.push([level, begin, data.at[i]])
  }
  return out
}

// strip is the state over the hour in one line.
function strip (begin, end) {
  const box = byId('strip')
  const width = box.clientWidth
  const x = t => (t - begin) / (end - begin) * width
  const all = spans('level', 0)
  const picture = svg('svg', { viewBox: `0 0 ${width} 14`, width, height: 14, 'aria-hidden': 'true' })
  for (const [level, from, to] of all) picture.append(svg('rect', { class: 'was-' + level, x: x(from), y: level === 'ok' ? 4 : level === 'note' ? 3 : 0, width: Math.max(2, x(to) - x(from)), height: level === 'ok' ? 6 : level === 'note' ? 8 : 14 }))
  box.replaceChildren(picture)
  const sums = {}
  for (const [level, from, to] of all) sums[level] = (sums[level] || 0) + (to - from) / 1000
  const text = (sums.down || sums.degraded)
    ? [['down', 'down for '], ['degraded', 'degraded for ']].filter(([l]) => sums[l]).map(([l, t]) => t + seconds(sums[l])).join(', ')
    : 'nothing was wrong'
  box.setAttribute('aria-label', 'State over the last ' + Math.round((end - begin) / 60000) + ' minutes: ' + text)
  say(byId('hour-said'), text)
}

build()
