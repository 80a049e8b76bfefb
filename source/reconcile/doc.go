// Package reconcile compares the tables of a database with what was published of
// them, and makes ordinary changes of the difference. It serves every source that
// may have lost changes: Supabase Realtime, which does so all the time, and logical
// replication after a gap.
//
//   - comparison.go: Comparison, its options, and what it hands over
//   - table.go: a compared table: its shape and its ledger
//   - sketch.go: the part of a row that is compared
//   - ledger.go: what was published of a table
//   - digests.go: Digests, the ledger of logical replication: two hashes a row
//   - kept.go, keptdigests.go: keep both in a file, over a restart
//   - scan.go: reads the sketches of rows since a time
//   - fetch.go: reads whole the rows that differ, as many at once as can be read
//   - fairqueue.go: shares the reading out between workspaces
//   - unreadable.go: rows that cannot be read
//   - changes.go: the changes that a row read back amounts to
//
// A Comparison belongs to one goroutine; Table and Ledger may be used from any. The
// package starts no goroutine. It imports source, readback and ledgerfile, and no source.
package reconcile
