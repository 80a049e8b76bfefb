// Package handover brings a client that opens a WebSocket at ChatEngine up to
// date. ChatEngine sends live events only, so the client lacks what was sent
// while it was away: about a second after a hand-back, any length of time after
// a broken connection. A hand-over makes up for that with the bridge, which
// replays:
//
//  1. From the client's CONNECT on, ChatEngine's message, conversation,
//     messageStatus and gap events are buffered; everything else passes.
//  2. The same CONNECT, and the client's subscriptions, go to the bridge over a
//     connection of their own (the feed). The bridge's events go to the client:
//     what it missed, then live.
//  3. When the bridge has read all that was committed, Options.CatchUp more has
//     passed, and it reports that the client was sent all of it, the buffered
//     events that it has not sent too are passed on, in order. By then the
//     bridge has sent everything up to the first of them and beyond, so the
//     order per conversation is the database's, and the last status that the
//     client receives is the last one there was.
//  4. Of the texts that the bridge is sending, ChatEngine will tell nothing. While the bridge
//     names such, or has clients that may write one, the feed stays, and what it sends of these
//     texts is passed on; of nothing else. It is asked again and again, until it names none.
//  5. From then on the caller copies bytes.
//
// A bridge that is not ready within Options.CatchUpWait must not keep the client
// from its live events: the buffered ones are passed on, and what the bridge
// sends later comes late and out of order, but comes. Whatever else goes wrong
// ends the hand-over early: the client is then where it would be without a
// gateway.
//
// # Files
//
//	service.go   Service: starts hand-overs, serves the bridge to them
//	handover.go  Handover: one client's, its phases, the timer
//	frames.go    the frames of the client and of ChatEngine
//	follow.go    what the bridge tells of its texts to clients that have been caught up
//	buffer.go    ChatEngine's events that wait
//	sent.go      what the bridge has sent, and which buffered events are not in it
//	progress.go  how far the bridge is with the client
//	feed.go      the connection to the bridge
//	since.go     from when on a page has ChatEngine's ids
//	departures.go when clients of ChatEngine were cut; departurefile.go the same on disk
//	batch.go     the bridge's events, written together
//	packet.go    the few Socket.IO packets that matter
//	outcome.go   how a hand-over ended, counters
//	pipe.go      a listener without a network
//
// # Concurrency
//
// Handover.mu is held while its state is read or changed, and during each write
// to the client; feed.mu, which may be taken under it, guards the list of
// subscriptions; departures.mu may be taken under it too. Goroutines: the two of the tunnel call FromClient and
// FromUpstream, one each; timers call tick and flush the batch; the feed has a
// reader, which Stop waits for, and per connection a writer, which the reader
// waits for.
//
// The package imports neither the gateway nor the Socket.IO server.
package handover
