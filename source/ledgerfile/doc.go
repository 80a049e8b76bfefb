// Package ledgerfile keeps what a source remembers of each row in a file, so that
// after a restart it still tells which rows have changed meanwhile.
//
// What is remembered lives in memory, in the source's own form (Rows). The File is
// told which rows have changed (Mark) and asks for them when it writes: once a second
// at most, in the background, and for no more than a tenth of the time. Nothing waits
// for the disk but Load, which is called once, before anything is published.
//
// # What a loss costs
//
// The file may be older than the memory, never newer. A row that it lacks, or has as
// it was earlier, is taken for changed at the next start and published once more;
// nothing is lost by that. A file that is damaged, of another format or of another
// Identity costs what it would have told, no more: Load says so, and the file is set
// aside or begun anew. What keeps it from being written is tried again, and told in
// Stats.Error.
//
// # The file
//
// It is a bbolt database: a bucket for each table, and one for what holds for all.
// Each value has a checksum. Its pages are trusted only once all of it has been read:
// a file from before the start is read whole, and then replaced by a new one. The same
// is done when it has grown to its bound, since such files do not shrink: a new file
// is written beside it, without the oldest rows where there are too many, and renamed.
//
//	file.go     File, Options, New, Mark
//	load.go     reads the file of an earlier process
//	write.go    Run: writes what has changed
//	rewrite.go  writes all of it into a new file
//	store.go    the database, with faults of a damaged one turned into errors
//	lock_unix.go, lock_other.go  one process at a time; held.go: which one has it
//	stats.go    Stats
//
// # Goroutines and locks
//
// Start starts one, for Run; Load and Run may not be called at the same time. Mark and
// Stats may be called from any goroutine; their mutex is held for moments, never during I/O and
// never while Rows is called. So Mark may be called with the locks held that Rows takes.
//
// The package imports nothing of ours but retry.
package ledgerfile
