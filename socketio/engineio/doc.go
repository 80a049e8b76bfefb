// Package engineio is the server side of Engine.IO protocol 4: handshake,
// long-polling and WebSocket transports, the upgrade between them, heartbeats
// and one bounded outbound queue for each session. There is no JSONP, which clients up
// to 4.2 use with forceJSONP: its answers are scripts, which pages of any origin may load.
//
// # Use
//
// A [Server] is an http.Handler. For each accepted handshake it asks its
// [Handler] for a [Receiver], which then gets the session's messages in order,
// one call at a time, and exactly one Close.
//
// # Files
//
//	server.go     Server, Handler, Receiver
//	serve.go      ServeHTTP: which request is what
//	sessiontable.go  the open sessions by id
//	options.go    Options; limits.go: those that can be changed while it runs
//	admission.go  which handshakes are accepted, and the standing of clients
//	hosts.go      what is counted by address; bucket.go: the token bucket
//	cors.go       origins and preflight requests
//	refuse.go     the responses to refused requests
//	session.go    Session: state, one inbound packet
//	close.go      Close, CloseNow
//	shutdown.go   Shutdown of the server
//	heartbeat.go  ping and pong
//	queue.go      the outbound queue: Send, Offer, WaitSpace
//	writer.go     writes the queues of many WebSockets; drain.go: of one slow client
//	progress.go, progress_linux.go, progress_other.go  whether a slow client takes what is written
//	send_linux.go, send_other.go  send(2) that does not wait
//	sendto_linux.go, sendtoplain_linux.go  its two forms, the plain one for a benchmark
//	wire_linux.go, wire_other.go  the same below TLS: NewTLSListener
//	watch.go      Watch: when a message was written to the clients
//	websocket.go  a WebSocket connection: handshake, close
//	read.go       reads it
//	poller_linux.go, poller_other.go  epoll: which idle WebSocket has something to read
//	polling.go    the polling transport; poll.go: its GETs, post.go: its POSTs
//	upgrade.go    from polling to WebSocket
//	packet.go     packets; payload.go: polling bodies; message.go: encoded messages
//	reason.go     why a session is closed or a request refused
//	stats.go      Stats; counters.go: the counters
//	group.go      goroutines that Shutdown waits for
//
// # Lifecycle
//
// A session is open from its handshake on. [Session.Close] lets what is queued be
// written first (closing), [Session.CloseNow] does not; then it is closed, out of
// the table, and its Receiver's Close is called. [Server.Shutdown] closes all
// sessions and returns when every goroutine that the server started has ended.
//
// # Goroutines
//
// All are started through Server.goroutines, which Shutdown waits for.
//
//   - A few writers ([Options].GatherMax) serve all WebSockets, each on a goroutine
//     that lives while there is something to write. They never wait for a client:
//     one that does not read what is written gets a goroutine of its own (drain) until it
//     has. A polling session is written to by the goroutine of its GET.
//   - On Linux an idle WebSocket has no goroutine: one for all waits with epoll, and
//     starts a reader for a connection that has something to read. Elsewhere, and
//     for connections without a descriptor of their own such as TLS, each has a
//     blocking reader.
//   - Receiver.Close, and the closing of a connection, have one each.
//   - A write to a slow client has a timer, which checks a few times in each
//     WriteTimeout whether the client takes what was written (progress).
//
// # Concurrency
//
// All exported methods may be called from any goroutine. [Session.Send] never
// blocks: what it is given is encoded already ([Message]) and shared by all
// sessions; a session whose queue is full is closed with a counted reason. The
// order of Send calls on a session is the order on the wire.
//
// # Locks
//
//   - Session.mu guards a session's state and queue. It is never held over I/O that
//     waits or a call of Handler or Receiver (TestCallbacksRunWithoutLocks). Below it
//     may be taken: writer.mu, group.mu, admission.mu.
//   - admission.mu guards the counts of sessions and addresses; nothing is locked below.
//   - progress.mu is held while a write's deadline is moved; below it: Session.mu.
//   - Session.receiving is held while Receiver.Message runs, and no other lock is.
//   - Server.mu guards the table; below it may be taken: Session.mu (Stats).
//   - poller.mu may be held over epoll_ctl, which does not wait; no other lock is
//     taken below it but group.mu.
//   - At any time one goroutine at most writes to a connection: the session's
//     writer, or the one for which Session.writeOwned is set; and one that closes it, which
//     does not wait. crypto/tls writes by itself too, one at a time with these.
//   - wire.mu guards what a wire keeps. It is held over a write that waits only while no
//     writer may write: writeOwned is set, or the session has been shed and all is written; no
//     other lock is taken below it.
//
// The package knows nothing of Socket.IO, Postgres or the application, and imports nothing of
// this module but helpers (internal).
package engineio
