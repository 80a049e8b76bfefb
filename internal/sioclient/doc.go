// Package sioclient is a small Socket.IO 5 client over the websocket
// transport: what `bridge tail` and tests need, no more. It connects to one
// namespace, answers heartbeats, reconnects as socket.io-client does by
// default (and as the CRM relies on), recovers its session where the server
// offers that, and stops for good where socket.io-client would: on a
// CONNECT_ERROR and on a DISCONNECT packet.
//
// Concurrency: New makes a Client, Run runs it in the caller's goroutine, from
// which all callbacks come; Emit and EmitAck may be called from any goroutine,
// but EmitAck not from a callback, which would wait for itself. Lifecycle: Run
// returns after everything it started has.
//
// Left out: polling, upgrades, sending binary. The package imports nothing
// else of this module.
package sioclient
