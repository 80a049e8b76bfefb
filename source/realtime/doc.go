// Package realtime follows tables through Supabase Realtime's
// postgres_changes and makes up for what Realtime loses. It needs the
// project's address and service key, and no replication connection.
//
// # The stream and the reconciler
//
// Realtime delivers at most once and does not report what it lost: changes made
// while a client was away, in the seconds before its subscription was
// registered, over the project's rate limit, or while the server's own
// replication slot was gone (measured on v2.129.8: nothing on the socket shows
// any of these). So there are two ways in. The stream delivers at once. The
// reconciler reads back what changed (package readback), compares it with the
// ledger of what was published (package reconcile), and publishes the difference as ordinary
// changes in the order of their times: at the start, whenever a subscription
// was registered, after every gap, and periodically; while the stream is down
// it alone delivers.
//
// Guarantee: a row that was inserted, or whose time-of-update column or
// watched column changed, is published at least once as it was last
// committed, at the latest one reconcile interval after the commit (see
// Options for the tiers), while the database answers. States in between two
// reads may be skipped when the stream lost them. Deletes are published when
// Realtime delivers them and are not reconciled.
//
// # Files
//
//	source.go         Source, New, Run
//	options.go        Options; timing.go: the protocol's times
//	stats.go          State, ChannelState, Stats, the counted reasons
//
//	connection.go     dial, serve one connection, wait, dial again
//	session.go        one connection's event loop; all writes
//	reader.go         one connection's reader: decode, enqueue
//	channel.go        one table's channel: join, replies, system messages, close
//	heartbeat.go      heartbeats and their answers
//	servicekey.go     a key that was replaced
//	refusal.go        what a refusal means and who can resolve it
//	url.go            addresses of the socket and of PostgREST
//
//	frame.go          Phoenix frames (serializer 2.0.0) and payloads
//	change.go         a postgres_changes payload becomes a change
//	queue.go          changes between reader and publisher
//	hold.go           streamed changes, all or a conversation's, wait for what is being read back
//
//	publisher.go      the only caller of the Handler; transactions
//	streamed.go       publishes streamed changes
//	batch.go          publishes rows that were read back
//
//	reconciler.go     when to compare, and what a pass amounts to
//	requests.go       what others ask of the reconciler
//	scan.go           one pass: which rows differ
//	publishread.go    has those rows published
//	try.go            tries a Reader, for checks
//	deafchannel.go    channels that are subscribed and deliver nothing
//
//	table.go          a followed table: its channel's state
//	clock.go          the database's clock and ours
//
// # Goroutines and locks
//
// Run owns five kinds of goroutine and joins all of them before it returns:
//
//   - the one that called Run: the publisher, the only one that calls the Handler;
//   - connectLoop, which dials and runs the session: it owns the socket's state
//     and does all writes;
//   - the connection's reader, started and joined by session.run: it decodes and
//     enqueues, and never blocks, because a server whose client stops reading
//     kills the connection's process;
//   - the reconciler's, which owns the Reader;
//   - with Options.Ledger, the one that writes that file. It alone is left behind
//     where a disk hangs: the end waits 2 s for it.
//
// They meet at the bounded queue, the hold, passRequests, the ledger, the table
// and the counters. Each has one mutex of its own, held while its fields are
// read or written and never during I/O, a call of the Handler or a channel
// operation that can block. No two of these mutexes are held together, except
// that a table's shape is held while its ledger is cleared, and a ledger's while its
// file is told of a row. State and Stats may be called from any goroutine at any time.
//
// The package must not import anything that knows events, mappings, sockets
// of our own clients or metrics.
package realtime
