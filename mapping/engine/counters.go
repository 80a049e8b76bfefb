package engine

import (
	"sync/atomic"

	"chatbridge/mapping/contract"
	"chatbridge/mapping/internal/plan"
)

// Reasons for which a change makes no event.
const (
	skipUnchanged = iota
	skipDelete
	skipTruncate
	skipOther
	skipReference
	skipStatus
	skipWhere
	skipCount
)

var skipNames = [skipCount]string{"unchanged", "delete", "truncate", "other_table", "reference", "no_status", "where"}

// Reasons for which a row or an event cannot be made.
const (
	failColumn = iota
	failKey
	failWorkspace
	failConversation
	failMember
	failToast
	failUnit
	failCount
)

var failNames = [failCount]string{"missing_column", "no_key", "no_workspace", "no_conversation", "no_member", "value_not_sent", "no_unit"}

// counters are written by the goroutine that feeds the Mapper and read by any.
type counters struct {
	events  [contract.Typing + 1]atomic.Uint64
	rows    [plan.MaxTables + 1][5]atomic.Uint64 // by table, the last being others, and op
	skipped [skipCount]atomic.Uint64
	failed  [failCount]atomic.Uint64

	hits, misses, batches, timeouts, errors, unanswered atomic.Uint64

	rememberedRows, rememberedBytes, rememberedMessages atomic.Int64
	evicted                                             atomic.Int64

	shortened, leftOut [contract.Typing + 1]atomic.Uint64

	failing                   atomic.Bool
	owed                      atomic.Int64
	short, settled, abandoned atomic.Uint64
}

// show stores a size that seldom changes: reading costs less than storing.
func show(at *atomic.Int64, size int) {
	if n := int64(size); at.Load() != n {
		at.Store(n)
	}
}
