// Package replay is the event log: the recent past of every workspace, by
// position, from which clients are caught up that were not there or could not
// keep up.
//
// A Log keeps what was published within its window, bounded also in number
// and in bytes. It hands out Cursors: a reader takes from one a batch at a
// time, and is told in the same breath when it has reached the head. Whoever
// holds the lock that guards the Log can therefore let the reader go live at
// exactly that point: no gap, no overlap, whatever is published meanwhile.
//
// Concurrency: a Log, its Spaces and its Cursors are guarded by one lock of
// the caller's, the one under which events are published. Nothing here blocks,
// starts a goroutine or reads a clock.
//
// Lifetime: an entry lives until it is older than the window by the time of
// its publication in this process (not of its commit, so that a late event is
// kept as long as a punctual one and no server's clock has to agree with
// ours), or until a bound evicts it earlier. Early evictions are counted:
// they mean that the bounds are too small for the window.
package replay
