// Package mapping turns rows into the events of the /api/ws contract: for any
// change of a row exactly the events that ChatEngine would have sent.
//
// What a row means is written in a small declarative language (docs/mapping.md):
// a preset, `crm` or `chatengine`, and a file of the operator's own that
// changes parts of it or replaces it. Load compiles it to a Spec, which is
// immutable and safe to share; New makes a Mapper of it, which one goroutine
// feeds with transactions:
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
// # Memory
//
// A Mapper remembers, within bounds: the rows of conversations and of what
// they refer to (contacts), the newest message of a conversation, and, for
// tables without replica identity full, a fingerprint of each message's last
// state, from which it tells what an UPDATE changed; and values that messages
// had and have no more, such as the id under which the CRM sent one. A transaction of any size
// is mapped in batches of at most Options.BatchRows rows, so that memory does
// not grow with it; a conversation that changes in two batches of one
// transaction gets an event for each.
//
// An event is bounded too (Options.EventBytes): values are measured before they
// are copied, and an event that would be larger is shortened or left out.
//
// # What is owed
//
// Where a lookup fails, events go out without what it would have found: a
// conversation without names is better than none, and the stream does not wait
// for the database. Such an event is owed, in its row's place, until it went
// out whole. Owed tells how many there are, and Settle makes them again: see
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
// # Purity
//
// The package does no I/O and has no clock, logger or goroutine: what the rows
// lack comes through the Lookup that its caller passes in (mapping/lookup),
// time is the transaction's commit time. It imports source and nothing else
// of this module.
package mapping
