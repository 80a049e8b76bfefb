// Package sioclient is a small Socket.IO 5 client over the websocket
// transport: what `bridge tail` and tests need, no more. It connects to one
// namespace, answers heartbeats, reconnects with the pauses of socket.io-client
// (as the CRM relies on), recovers its session where the server offers that, and
// stops for good where socket.io-client would: on a CONNECT_ERROR and on a
// DISCONNECT packet.
//
// Concurrency: New makes a Client, Run runs it in the caller's goroutine, from
// which all callbacks come; Emit and EmitAck may be called from any goroutine,
// but EmitAck not from a callback, which would wait for itself. Lifecycle: Run
// returns after everything it started has.
//
//   - client.go: Client, Run, reconnecting
//   - connection.go: one connection
//   - packet.go: packets
//   - options.go, errors.go: Options; why a connection ended
//
// Left out: polling, upgrades, sending binary. The package must not import
// socketio, whose tests it serves with a second reading of the protocol.
package sioclient
