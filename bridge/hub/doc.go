// Package hub publishes events to the clients that may see them, and feeds the
// clients that were away or could not keep up. It knows packets and positions, no
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
//   - portable.go the same for a connection to another process
//   - subscribe.go the conversations whose messages a client sees
//   - extent.go a set of messages that a client is owed
//   - memory.go the memory that subscriptions take; limits.go which bounds were reached
//   - pump.go the goroutine that sends a client what it is owed
//   - ahead.go a client that has more than the log; headwait.go waiting for the log
//   - absence.go what the log no longer holds, read from the database's tables
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
// So what a client receives has one order, and an older status cannot follow a newer
// one. The conversations whose messages it sees are its scope (subscribe.go).
//
// # Lock
//
//   - Hub.mu guards the log, the tenants and every Client. It is taken by Hub.lock, by
//     lockToPublish, and for a client by lockInTurn, which takes Hub.turns first: the
//     clients of one workspace wait for each other, and then the workspaces, so that
//     publishing waits for the client that holds mu and one more. mu measures how long
//     it is held.
//   - mu is held while an event is appended to the log and broadcast, while a
//     client's state changes, and while its pump reads a batch; for one broadcast or
//     a bounded number of entries, never longer.
//   - mu is never held while a pump sends or Publish waits, or while something is
//     logged.
//   - Broadcasters and Sockets are called under mu, but for SendPaced, and must not
//     call back, except QueueFull during a broadcast.
//
// # Names
//
// A client that has been at ChatEngine is given messages under the ids that ChatEngine
// uses, as its Names say: from the log by replay.Naming, live through separate rooms (see
// audience), to which a message goes in a separate packet. The id depends on the event
// and the client's Names alone, so a message never goes to a client under two ids. Some
// live clients in these rooms are to get a row that comes again under its own id: they
// read it from the log.
//
// # Offsets
//
// An event of the main feed carries its Offset; what comes out of order (the
// backlog, and events repeated up to the client's claim) carries none. So the
// offset that a client hands in is exact: it has received every conversation and
// messageStatus event up to it, and the messages that the Hub knows to have been
// sent before an event with an offset past extent.since. A session is restored only
// if that covers all that it was owed; otherwise the client begins a new session, and
// once it subscribes again it is owed what the old one was still owed.
//
// # Goroutines
//
// One pump for each client that is being fed, ended by the end of its socket or of
// Run, which waits for all of them; a timer for each client that has not yet made
// its first subscription, stopped by Detach.
package hub
