// Package postgres follows tables of a Postgres database by logical
// replication and hands every committed change to a source.Handler.
//
// # The stream
//
// A Source has at most two connections: an ordinary one (control), over which it
// checks the publication and the slot, and a replication connection that streams
// from a permanent slot with pgoutput, protocol version 1. Run reads the stream,
// calls the handler and reconnects, for as long as its context lives.
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
// a keepalive names while no transaction is open, so that an idle publication
// does not hold back the log of a busy database. Options.Retain delays
// confirmation, so that the next process reads that time again. Nothing is
// confirmed that is not saved in a file or in the database (Place).
//
// # Files
//
//	source.go        Source, New, Run: what follows a failure
//	options.go       Options
//	state.go         State, Stats, the counters, what is logged
//	problem.go       what a failure means (class, hint), FatalError
//	refusals.go      pauses after refusals of the server
//
//	session.go       one life of a stream: connect, start, run, finish
//	stream.go        the replication connection: START_REPLICATION, interrupt
//	link.go          its socket: read time-out, interrupt
//	pacing.go        rate limit of blocking reads
//	lowwater_linux.go, lowwater_other.go: SO_RCVLOWAT
//	read.go          frames: XLogData, keepalives, notices
//	messages.go      pgoutput messages become source.Changes
//	relations.go     the tables that the server described
//	encoding.go      text that the server cannot convert to UTF-8
//	statusupdate.go  standby status updates, the only writer
//	progress.go      what is handled, what may be confirmed
//
//	control.go       the ordinary connection: checks, create and drop the slot
//	slotstate.go     pg_replication_slots
//	slot.go          acquire: create, replace or wait for the slot
//	failoverslot.go  slots that standbys copy
//	standby.go       while another bridge reads the slot
//	rival.go         other bridges on the same database that may be there by mistake
//	watch.go         while the stream runs: save, poll the slot, inspect
//	restartlsn.go    advances restart_lsn of a slot with little room
//	inspection.go    Options.Inspect, its faults and gaps
//
//	handover.go      goes on where another bridge's Source was
//	continuity.go    whether the server's history is the one handled before
//	place.go         Place and Memory
//	placekeeper.go   when the Place is saved; confirmation waits for it
//	largeobject.go   the Place in the database
//
// Below: pgoutput (the messages), dial (sessions and their settings), provision
// (what a database lacks, and the SQL for it).
//
// # Goroutines and locks
//
// During Run three goroutines work on a stream, and Run joins the others before
// it returns:
//
//   - the one that called Run reads the socket and calls the handler; it owns
//     reading and the fields of Source below "The rest";
//   - sendStatusUpdates is the only writer of the socket, however slow the
//     handler is;
//   - watch owns the control connection, the placeKeeper and restartAdvanced
//     while the stream runs; before and after, the first one does.
//
// They share progress, shapeState and status. Each has a mutex, held only while
// its fields are read or written, never during I/O or a call of the handler, and
// never together with another. The rest is atomics: stream.stop, stream.gap and
// the counters. Stats may be called from any goroutine at any time.
//
// The package must not import mapping, socketio or bridge, nor a metrics
// library.
package postgres
