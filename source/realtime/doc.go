// Package realtime follows tables through Supabase Realtime's
// postgres_changes and makes up for what Realtime loses. It needs the
// project's address and service key, and no replication connection.
//
// Realtime delivers at most once and says nothing of what it lost: changes
// made while a client was away, in the seconds before its subscription was
// registered, over the project's rate limit, or while the server's own
// replication slot was gone (measured on v2.129.8: each of these happens
// without a sign on the socket). So the stream is only half of this package.
// The other half, the reconciler, reads back what changed (package readback),
// compares it with the ledger of what was published, and publishes the
// difference as ordinary changes in the order of their times. It runs when
// the source starts, whenever a subscription was registered, after every gap,
// and periodically; while the stream is down it alone delivers.
//
// Guarantee: a row that was inserted, or whose time-of-update column or
// watched column changed, is published at least once as it was last
// committed, at the latest one reconcile interval after the commit (see
// Options for the tiers), while the database answers. States in between two
// reads may be skipped when the stream lost them. Deletes are published when
// Realtime delivers them and are not reconciled.
//
// Concurrency: Run owns four kinds of goroutine and joins all of them. The
// connection's reader only decodes and enqueues, so that it never blocks; the
// session owns the socket's state and all writes; the reconciler reads the
// database; the goroutine that called Run owns the handler. They meet at a
// bounded queue, the ledger and the counters. State and Stats may be called
// from any goroutine at any time.
//
// The package must not import anything that knows events, mappings, sockets
// of our own clients or metrics.
package realtime
