// Package spool keeps webhooks on disk while ChatEngine cannot take them, and
// sends them to it in order once it can.
//
// A webhook that [Spool.Keep] returned nil for is on the disk (fsync). It is
// sent until ChatEngine answers 2xx, which is recorded before the next one of its
// sender is sent; what ChatEngine refuses for good becomes a dead letter, which
// waits for an operator. Between ChatEngine's 2xx and its record lies a moment in
// which a crash makes the webhook go out again: each arrives at least once.
//
// Order: the webhooks of one sender (a path, and the `instance` in the body, as
// Evolution API names a WhatsApp number) go out one after the other, as they came;
// one that has to wait for its next attempt holds back those behind it, and nobody
// else's.
//
// # Files
//
//	spool.go     Spool: New, Run, Close; the file is opened, and opened again
//	options.go   Options
//	webhook.go   Webhook, the record of it, who sent it
//	store.go     the bbolt file: open, verify, set aside
//	commit.go    changes, several in one transaction
//	keep.go      bodies are read, webhooks are kept
//	replay.go    what goes out next, and when
//	verdict.go   what ChatEngine's answer means, and how long to wait
//	order.go     what an operator can ask for
//	admin.go     the same over HTTP
//	stats.go     counters
//
// # Lifecycle and concurrency
//
// [New], then [Spool.Run] in a goroutine; it opens the file, and goes on trying
// where that fails: a bridge starts without its spool rather than not at all. All
// other methods may be called from any number of goroutines. One transaction
// changes the file at a time: who finds none under way commits what the others
// ask for too.
//
// Locks: Spool.mu guards the store against being closed while it is used; it is
// held for reading during a commit. store.mu is held while jobs are taken or given
// out, never during a commit. Spool.turn guards what the replay remembers; under it
// nothing is awaited but the file.
//
// The package knows neither the gateway nor its configuration.
package spool
