// Stands in for the file of the same name beside the official suites: what
// they use of Node.js.
//
// Some versions of the Socket.IO suite listen for one message at a time and
// add the next listener only after the first has been handled. A browser gives
// each message a task of its own, so nothing is lost; the ws package, unless
// told otherwise, hands over all messages of one read at once, and the second
// is lost. (Measured: Node's own server then fails 1 to 5 of 32 in every run.)
import fetch from 'node-fetch'
import { WebSocket } from 'ws'
import chai from 'chai'
import chaiString from 'chai-string'

chai.use(chaiString)

globalThis.chai = chai
globalThis.fetch = fetch
globalThis.WebSocket = class extends WebSocket {
  constructor(url, protocols, options) {
    super(url, protocols, { ...options, allowSynchronousEvents: process.env.SUITE_SYNC_EVENTS === '1' })
  }
}
