// Package engineio is the server side of Engine.IO protocol 4: handshake,
// long-polling and WebSocket transports, the upgrade between them, heartbeats
// and one bounded outbound queue for each session.
//
// # Use
//
// A [Server] is an http.Handler. For each accepted handshake it asks its
// [Handler] for a [Receiver], which then gets the session's messages in order,
// one call at a time, and exactly one Close.
//
// # Concurrency
//
// All exported methods may be called from any goroutine. [Session.Send] never
// blocks: what it is given is encoded already ([Message]) and shared by all
// sessions; a session whose queue is full is closed with a counted reason. The
// order of Send calls on a session is the order on the wire.
//
// # Lifecycle
//
// [Server.Shutdown] ends all sessions and returns when every goroutine the
// server started has ended.
//
// The package knows nothing of Socket.IO, Postgres or the application, and must
// not import them.
package engineio
