// Package replay is the event log: the recent events of every workspace, by
// position. Clients that were away or could not keep up are caught up from it.
//
// # Files
//
//   - log.go the Log: bounds, eviction, times
//   - space.go one workspace's part: its conversations and their entries
//   - order.go a Space's entries in the order of their sequence numbers
//   - read.go reading, by place and by conversation
//   - naming.go messages under another of their ids
//   - floor.go the position up to which entries have been evicted
//   - heap.go which share is the largest; queue.go a queue in blocks
//
// # What is kept
//
// A Log keeps what was published within its window, and Slack longer, bounded also
// in number and in bytes. Ages go by the time of publication in this process, by
// the monotonic clock: no server's clock has to agree with ours, and a step of the
// wall clock ages nothing. When a bound is exceeded, the oldest entry of the largest
// conversation of the largest workspace is evicted; when a workspace exceeds its share,
// that of its own largest conversation. Evictions within the window are counted: they
// mean that the bounds are too small for it.
//
// Entries are evicted from the front of a conversation only, so a conversation's
// entries are contiguous, and reading one goes forward from an index. Whatever was
// evicted raises a Floor: a reader whose place is not above it may have lost
// something.
//
// # Concurrency
//
// A Log and its Spaces are guarded by one lock of the caller's, the one under
// which events are published. Nothing here blocks or starts a goroutine, and only New
// reads a clock. Read and ReadConversation visit maxScan entries at most, and Expire
// evicts limit; Append evicts as many as it needs room for, Clear all.
package replay
