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
// # Who writes and who reads
//
// A few writers ([Options].GatherMax) serve all WebSockets, each from a goroutine
// that lives while there is something to write. They never wait for a client: one
// that does not take what is written gets a goroutine of its own until it has. A
// polling session is written to by the goroutine of its GET.
//
// On Linux an idle WebSocket has no goroutine either; epoll tells when there is
// something to read. Elsewhere, and for connections without a descriptor of their
// own such as TLS, one goroutine waits for each.
//
// # Lifecycle
//
// [Server.Shutdown] ends all sessions and returns when every goroutine the
// server started has ended.
//
// # Locks
//
// Session.mu is held for bookkeeping alone, never over I/O or a callback. Below it
// may be taken: wsConn.fdMu (a single system call that does not wait), writer.mu,
// poller.mu, group.mu.
//
// The package knows nothing of Socket.IO, Postgres or the application, and must
// not import them.
package engineio
