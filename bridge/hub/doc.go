// Package hub publishes events to the clients that may see them, and feeds those
// that were not there or could not keep up. It knows packets and positions, no
// tokens, no HTTP, no source and no configuration.
//
// # Files
//
//   - hub.go the Hub: its parts, its Run; locktimes.go its lock; stats.go its counters
//   - publish.go one event to the rooms; a client whose queue is full
//   - publishwait.go publishing waits for clients that keep reading
//   - tenant.go one workspace: its clients, rooms and part of the log
//   - client.go a client: Attach, Detach
//   - session.go what a client continues of an earlier connection: Resume
//   - portable.go the same for one of another process
//   - subscribe.go of which conversations it sees the messages
//   - extent.go a set of messages that it is owed
//   - memory.go what subscriptions take; limits.go which bounds were reached
//   - pump.go the goroutine that sends it what it is owed
//   - ahead.go a client that has more than the log; headwait.go waiting for the log
//   - absence.go what of that the database's tables make up for
//   - gap.go what one client could not be given; loss.go what nobody is given
//   - offset.go the text of an Offset; contract.go names of the contract
//
// # Lifecycle
//
// New, then Run until its context ends. A Client goes through Attach, any number of
// Subscribe and Unsubscribe, and Detach; after Attach, or Resume and Attach, it is
// in one of two states, never both:
//
//   - live: broadcasts reach it, and it is owed nothing of the past;
//   - fed: its socket is paused, and its pump sends what it is owed.
//
// What a pump sends, in this order:
//
//  1. its gaps (event gap), so that whatever it receives afterwards proves that it
//     was told of them;
//  2. its backlog: one extent after the other, a conversation's messages of the
//     window or those of all, up to the place of its main feed;
//  3. its main feed: everything that it sees, in commit order, to the head of the
//     log. There it goes live, under mu, between two events: no gap, no overlap.
//
// So what a client receives has one order, and a newer status cannot overtake an
// older one. Of which conversations it sees messages is its scope (subscribe.go).
//
// # Lock
//
//   - Hub.mu guards the log, the tenants and every Client. It is taken by Hub.lock,
//     and for a client by lockInTurn, which takes Hub.turns before it: the clients of
//     one workspace wait for each other, and then the workspaces, so that publishing
//     waits for the client that has it and one more. It measures how long it is held.
//   - It is held while an event is appended to the log and broadcast, while a
//     client's state changes, and while its pump reads a batch; for one broadcast or
//     a bounded number of entries, never longer.
//   - It is never held while a pump sends or Publish waits, or while something is
//     logged.
//   - Broadcasters and Sockets are called under it, and must not call back, except
//     QueueFull during a broadcast.
//
// # Names
//
// A client that has been at ChatEngine is given messages under the ids that ChatEngine
// uses, as its Names say: from the log by replay.Naming, live by rooms of its own (see
// audience), to which a message goes in a packet of its own. Under which id a message
// goes to a client depends on the event and the client's Names alone, so it never goes
// under two. A row that comes again and for some live clients has its own id goes to
// these from the log.
//
// # Offsets
//
// An event of the main feed carries its Offset; what comes out of order (the
// backlog; what a client that claims more is given again) carries none. So the
// offset that a client hands in is exact: it has received every conversation and
// messageStatus event up to it, and those messages of which the Hub remembers that
// they were sent before something with a later offset (extent.since). A session is
// restored only if that covers all that it was owed; otherwise the client begins a
// new one, and is owed what the old one was still owed once it subscribes again.
//
// # Goroutines
//
// One pump for each client that is being fed, ended by the end of its socket or of
// Run, which waits for all of them; a timer for each client that has yet to make
// its first subscription, stopped by Detach.
package hub
