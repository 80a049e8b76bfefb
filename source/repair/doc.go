// Package repair makes up for the gaps of a source that reads a log, such as
// source/postgres: the rows of what was lost are in the tables. It stands between the
// source and its handler, remembers what passes, and after a Gap compares the tables
// with that (package reconcile), and hands the difference on as ordinary changes,
// before what the source delivers next. What the tables do not tell is a Gap again.
//
//   - repair.go: Repair, its options and counters
//   - handler.go: what passes, and what is remembered of it
//   - gap.go: one gap: what is compared, what remains
//   - reading.go: reads the tables of one gap and hands on what differs
//   - kept.go: what is remembered, in a file, over a restart
//   - positions.go: where the changes that were read back stand in the order
//
// # What is found
//
// Of rows that were inserted since the last delivered transaction, or updated, where
// the table has a column with that time: all, by those times, from Options.Margin
// before it. Of rows whose watched columns changed and that have no time of update:
// those that are remembered, Options.MaxRows of each table, as long as they were
// inserted in the Options.Window before. What may have changed otherwise is reported,
// and so is what exceeds a bound. Deletes are not found; no event depends on them.
//
// The package starts no goroutine but that of the file: all happens in the calls of the
// source, which meanwhile keeps its connection alive. It imports source, readback,
// reconcile and ledgerfile.
package repair
