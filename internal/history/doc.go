// Package history judges what a client received against what the database
// committed.
//
// A [History] is one client's: what it received, in order and with the time,
// and what it asked for. The [Truth] is what the database committed, in commit
// order, mapped to events. A [Judge] compares the two with seven
// validators, each named for what it guarantees:
//
//   - Reliable: every event that the client could see is there, or a gap was
//     announced.
//   - Ordered: a conversation's messages arrive first in commit order, a status
//     never goes back, and what is seen last is the newest.
//   - Resumable: a restored session gets exactly what came after its offset.
//   - Isolated: nothing of another workspace, in any byte.
//   - Bounded: only what was committed and could be seen, and repeated only
//     where catching up says so.
//   - Prompt: no event takes longer than the stated bound.
//   - Honest: what is not there was announced, by the server and to the client,
//     before the client got a CaughtUp.
//
// Beside them, [Judge.Shown] plays a history to a version of the CRM and finds what
// its page shows twice or with a stale status: what came is right, and named so
// that this version does not know it again.
//
// Everything is plain data, so that a simulation and tests with real clients
// feed the same validators. There is one writer with one order of commits, so
// one pass over a history decides. A Judge may be used by several goroutines.
//
// The files:
//
//   - truth.go, client.go: what was committed; what a client did and received
//   - judge.go, examine.go: Judge and Validators; a history prepared for them
//   - due.go: which events a connection had to send, and which are missing
//   - reliable.go, ordered.go, resumable.go, isolated.go, bounded.go, prompt.go,
//     honest.go: one validator each
//   - shown.go: what a version of the CRM shows of a history
//   - text.go: histories for the log
//
// Of this module the package imports only source.
package history
