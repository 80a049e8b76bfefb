// Package engine runs a mapping: rows in, events out.
//
// New makes a Mapper of a mapping.Spec, which one goroutine feeds with transactions:
//
//	m.Begin(tx)
//	m.Change(&change, emit) // once per row, in order
//	m.Commit(emit)
//
// Row events (message, messageStatus, typing) come in the order of the rows,
// conversation events after them, one per conversation however often it
// changed in the transaction. Event.Index places each in its transaction and
// depends on the rows alone, so that a transaction read again after a restart
// gives the same positions whatever the Mapper remembers by then.
//
//	mapper.go         Mapper: one change after the other
//	options.go        Options
//	message.go        what a change of a message makes
//	where.go          messages that the mapping's `where:` leaves out or lets in again
//	many.go           rows of which a message has several, such as its attachments
//	conversation.go   what a change of a conversation, or of a reference, makes
//	preview.go        conversations whose last message changes with a row of messages
//	deleted.go        DELETE and TRUNCATE
//	binding.go        bindings: where a table of the stream has the Spec's columns
//	transaction.go    transaction: the present one and its place in the stream
//	compare.go        comparer: what an UPDATE changed
//	comparemessage.go the same of a message: status, content, values to keep
//	render.go         renderer: an event of a row
//	payload.go        its JSON, shortened where it is too large
//	resolve.go        resolver: rows that an event refers to, from memory
//	needs.go          what a batch has to look up
//	fetch.go          looking it up
//	unseen.go         what it may not see yet
//	lookup.go         Lookup, Need, Found: what is asked and answered
//	memory.go         memory: what is remembered of rows
//	memorydrop.go     what is forgotten when rows are deleted or change their key
//	rowcache.go       rows within bounds, the least recently used out first
//	fingerprints.go   hashes of messages' last states
//	keptvalues.go     values that messages had once
//	batch.go          batch: what waits for the end of a batch, and its indexes
//	send.go           sender: events in order
//	flush.go          the end of a batch
//	owedevents.go     events that were sent without what a failed look-up would have found
//	settleowed.go     settler: sending those again
//	report.go         reporter: counting and warning
//	unknownwords.go   values that no list of words has
//	counters.go, stats.go  Stats
//	schema.go, row.go, rowkey.go  rows and their keys
//
// # Memory
//
// A Mapper remembers, within bounds: the rows of conversations and of what
// they refer to (contacts), the newest message of a conversation, and, for
// tables without replica identity full, a fingerprint of each message's last
// state, from which it tells what an UPDATE changed; and values that messages
// had and have no more, such as the id under which the CRM sent one. A transaction
// of any size is mapped in batches of at most Options.BatchRows rows, so that memory
// does not grow with it; a conversation that changes in two batches of one
// transaction gets an event for each.
//
// An event is bounded too (Options.EventBytes): values are measured before they
// are copied, and an event that would be larger is shortened or left out.
//
// # Owed events
//
// Where a look-up fails, events are sent without what it would have found: a
// conversation without names is better than none, and the stream does not wait
// for the database. Such an event is owed, in its row's place, until it was sent
// complete. Owed tells how many there are, and Settle makes them again: see
// there for when its caller calls it, and which positions its events have. Who
// drives a Mapper
//
//   - calls Settle between transactions only, in the goroutine that feeds the
//     Mapper or under the same lock, while Owed is not 0, with pauses that grow
//     while it is not answered, and also when no transaction comes;
//   - publishes its events under the position of the latest transaction's
//     Commit and the event's Index, which is past all that this transaction has;
//   - does not call it while the source reads again what was published before
//     (Tx.Commit below the newest published one's): the events would be taken
//     for repeated ones;
//   - tells the operator when LookupError begins and ceases to be an error.
//
// # Ownership and purity
//
// There is no lock and no goroutine: one goroutine uses a Mapper at a time, and only
// its counters, which are atomic, are read by others (Stats). Bytes that go out
// (Event) alias buffers that are used again for the next event; rows that come in
// alias the source's read buffer and are copied by whoever keeps them past Change.
// The package does no I/O and has no clock or logger: what the rows lack comes
// through the Lookup that its caller passes in (mapping/lookup), time is the
// transaction's commit time. It imports source, mapping and what that imports, and
// nothing else of this module.
package engine
