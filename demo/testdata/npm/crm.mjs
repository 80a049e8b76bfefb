// The CRM's connection, as it opens it. Prints what happens as JSON lines.
import { io } from 'socket.io-client'

const [url, token] = process.argv.slice(2)
const say = (event, more) => console.log(JSON.stringify({ event, ...more }))
const socket = io(url, {
  path: '/api/ws', auth: { token }, transports: ['websocket', 'polling'],
  reconnection: true, reconnectionDelay: 1000, reconnectionAttempts: 5,
})
socket.on('connect', () => say('connect', { id: socket.id, recovered: socket.recovered }))
socket.on('disconnect', reason => say('disconnect', { reason }))
socket.on('connect_error', error => say('connect_error', { message: error.message }))
const subscribed = new Set()
for (const name of ['message', 'conversation', 'messageStatus', 'typing']) {
  socket.on(name, payload => {
    say('event', { name, payload })
    if (name === 'conversation' && subscribed.size < 3 && !subscribed.has(payload.id)) {
      subscribed.add(payload.id)
      socket.emit('subscribe:conversation', payload.id, answer => say('subscribed', { id: payload.id, answer }))
    }
  })
}
