// Drives one socket.io-client as a test says, in Node.js and in a browser.
//
// drive(io, report) gives a function that takes commands. What happens goes to
// report as objects with a member "event"; binary values are {"$bin": hex} on
// both sides, because they travel as JSON.

const toHex = (bytes) => Array.from(new Uint8Array(bytes), (b) => b.toString(16).padStart(2, '0')).join('')
const fromHex = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16))

// A browser hands over an ArrayBuffer, Node.js a Buffer: a view, maybe of a part.
function pack(value) {
  if (value instanceof ArrayBuffer) return { $bin: toHex(value) }
  if (ArrayBuffer.isView(value)) return { $bin: toHex(value.buffer.slice(value.byteOffset, value.byteOffset + value.byteLength)) }
  if (Array.isArray(value)) return value.map(pack)
  if (value && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, pack(v)]))
  return value
}

function unpack(value) {
  if (Array.isArray(value)) return value.map(unpack)
  if (value && typeof value === 'object') {
    if ('$bin' in value) return fromHex(value.$bin)
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, unpack(v)]))
  }
  return value
}

export function drive(io, report) {
  let socket

  function connect({ url, options }) {
    socket = io(url, options)
    const manager = socket.io
    const transport = () => manager.engine?.transport?.name
    socket.on('connect', () => {
      report({ event: 'connect', id: socket.id, recovered: socket.recovered === true, transport: transport() })
    })
    manager.on('open', () => {
      manager.engine.on('upgrade', () => report({ event: 'upgrade', transport: transport() }))
    })
    socket.on('disconnect', (reason) => report({ event: 'disconnect', reason, active: socket.active === true }))
    socket.on('connect_error', (e) => {
      report({ event: 'connect_error', message: e.message, data: e.data, active: socket.active === true })
    })
    socket.onAny((name, ...args) => {
      const ack = typeof args.at(-1) === 'function' ? args.pop() : undefined
      report({ event: 'received', name, args: pack(args), acked: ack !== undefined })
      ack?.(...args) // gives back what it got
    })
    manager.on('reconnect_attempt', (attempt) => report({ event: 'reconnect_attempt', attempt }))
    manager.on('reconnect_failed', () => report({ event: 'reconnect_failed' }))
  }

  const commands = {
    connect,
    // With tag, the acknowledgement is reported under it.
    emit({ name, args, tag }) {
      args = unpack(args ?? [])
      if (tag === undefined) return socket.emit(name, ...args)
      socket.emit(name, ...args, (...answer) => report({ event: 'acked', tag, args: pack(answer) }))
    },
    disconnect() {
      socket.disconnect()
    },
    // Tries again by hand, with another token.
    login({ token }) {
      socket.auth = { token }
      socket.connect()
    },
    state() {
      report({ event: 'state', connected: socket.connected, transport: socket.io.engine?.transport?.name })
    },
  }
  return (command) => {
    try {
      commands[command.do](command)
    } catch (e) {
      report({ event: 'error', message: String(e.stack ?? e) })
    }
  }
}
