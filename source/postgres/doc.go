// Package postgres follows tables of a Postgres database by logical
// replication and hands every committed change to a source.Handler.
//
// # The stream
//
// A Source holds at most two connections: an ordinary one, over which it looks
// at the publication and the slot, and a replication connection that streams
// from a permanent slot with pgoutput, protocol version 1. Run reads the
// stream, calls the handler and reconnects, for as long as its context lives.
//
// A transaction may be cut short by a lost connection. It then comes again
// from its Begin; only the last of several Begins of one transaction is
// followed by a Commit. Within one life of a Source no committed transaction
// comes a second time, unless the server's history changed, which is reported
// as a Gap.
//
// # What is confirmed
//
// The server keeps its log from the confirmed place on. A transaction may be
// confirmed once the handler's Commit returned nil, and so may the place that
// a keepalive names while no transaction is open, lest an idle publication
// hold back the log of a busy database. Options.Retain holds confirmation
// back by a stretch of time, so that the next process reads that stretch
// again.
//
// # Concurrency
//
// During Run three goroutines work on a stream: the one that called Run reads
// the socket and calls the handler, one writes status updates, however slow
// the handler is, and one watches the slot over the ordinary connection. Each
// half of the socket has one owner. Run joins the others before it returns.
// Stats may be called from any goroutine at any time.
//
// The package must not import mapping, socketio or bridge, nor a metrics
// library.
package postgres
