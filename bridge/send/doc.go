// Package send sends what users write while the bridge serves them: a client's
// sendMessage, and ChatEngine's REST. docs/sending.md says what users and operators see.
//
//	request.go   Request, Result, Fault, Event: what is asked for, and what is told
//	sender.go    Sender: its options, and what it keeps
//	accept.go    which requests are taken, and which are known
//	deliver.go   a Sending's way: its turn, the Way, its row
//	settle.go    what became of a Sending is written down and told
//	sending.go   Sending: one request, and what it is known by
//	claims.go    one bridge of a cluster sends a text: the claim
//	life.go      Open, Run and Shutdown of a Sender
//	events.go    the events that clients are told
//	observe.go   what the stream tells of a message's row, and what is told again
//	unsettled.go the texts of which clients may still be told
//	passed.go    texts that another server sends, and that may have died with it
//	knownrows.go rows with a client's id, also those that do not tell it any more
//	limits.go    what a user may send
//	journal.go   which requests were begun, and what became of them: a file
//	way.go       Way: how messages are sent
//	function.go  a Way: the project's Edge Function
//	outbox.go    a Way: a row for a worker
//	fields.go    name=value: what goes where in both
//	read.go      conversations that are marked as read
//	stats.go     counters
//
// # Lifecycle
//
// New, Open before changes of the database are read, then Run. Shutdown before the end of
// Run's context. A Sending that was accepted has its result within a few times
// Options.Timeout, whatever its client does; Run's end settles what is left as of unknown
// outcome.
//
// # One message
//
// Accept knows the request (again), by the journal or by its row, refuses it (to its sender alone), or begins it: whose
// the conversation is; the journal, on the disk, as waiting; the workspace is told; its turn in
// the conversation; the journal, as begun; the claim, in a cluster; the Way; the journal again; the workspace is told
// what became of it. Whoever finds a request in the journal does not give it to the Way, but
// for one that waits, or of unknown outcome where Way.Repeatable.
//
// # Goroutines and locks
//
// Run's, one for each Sending until it has its result, and one for each Passed. Sender.mu
// guards the maps and is held for moments, because Observe takes it on the path of every message while
// something is watched. A Sending's state.mu is held while its final status is told, so that
// what the stream publishes comes before it or after it; its noting while the journal is
// written. A Passed's mu is as a Sending's state.mu. Order: state.mu before mu; noting and mu
// never together; no other is taken under
// knownRows.mu or unsettled.mu.
//
// The package imports mapping/contract for the events and nothing else of ours: no socket,
// no hub, no configuration.
package send
