// Package hub publishes events to the clients that may see them, and feeds those
// that were not there or could not keep up. It knows packets and positions, no
// tokens and no HTTP.
//
// # Files
//
//   - hub.go the Hub: its parts, its Run; stats.go what it counts, and for how
//     long its lock is held
//   - publish.go one event to the rooms; a client whose queue is full
//   - tenant.go one workspace: its clients, rooms and readers
//   - client.go a client: Attach, Detach, Resume; what a new session inherits
//   - subscribe.go what a client asks for and is owed
//   - pump.go the goroutine that gives it that
//   - hole.go what a client could not be given, and the event that tells it;
//     gap.go what nobody is given
//   - pause.go publishing waits for clients that keep reading
//   - offset.go the text of an offset
//
// # Rules
//
// mu is held while an event is appended to the log and broadcast, while a client's
// state changes, and while its pump reads a batch; never while a packet is sent by
// a pump. It is held for the time of one broadcast, or a bounded number of entries.
//
// A client is either live or fed by its pump, never both. Live, broadcasts reach it
// and it is owed nothing of the past. Otherwise its socket is paused, and the one
// goroutine of its pump sends, in this order:
//
//  1. what tells it of its holes (event gap), so that whatever it receives
//     afterwards proves that it was told;
//  2. its backlog: one extent after the other, a conversation's messages of the
//     window or those of all, up to the place of its main feed;
//  3. its main feed: everything that it sees, in commit order, to the head of the
//     log. There it goes live, under mu, between two events: no gap, no overlap.
//
// So what a client receives has one order, and a newer status cannot overtake an
// older one.
//
// # Offsets
//
// An event of the main feed carries its Offset; what comes out of order (the
// backlog; what a client that claims more is given again) carries none. So the
// offset that a client hands in is exact: it has received every conversation and
// messageStatus event up to it, and those messages of which the Hub remembers that
// they were sent before something with a later offset (extent.since). A session is
// restored only if that covers all that it was owed; otherwise the client begins a
// new one, and is owed what the old one lacked once it asks for it again.
//
// # Pausing
//
// See pause.go: Publish waits, within a budget, for clients that keep reading and
// are about to fall out of the log.
//
// # Goroutines
//
// One pump for each client that is being fed, ended by the end of its socket or of
// Run, which waits for all of them; a timer for each client that has yet to make
// its first subscription, stopped by Detach.
package hub
