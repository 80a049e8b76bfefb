package far

import (
	"sync/atomic"
	"time"
)

// Stats counts what a Reader did since its start.
type Stats struct {
	// Readings were begun, Failures of them failed; those whose workspace had no turn for too
	// long, or that were refused shortly after a failure, are Refused.
	Readings, Failures, Refused uint64
	// Rows were made events of, and Lists of what is to be sent were read, each once for
	// all that wait for it.
	Rows, Lists uint64
	// Truncated counts readings of which a bound left out the oldest part.
	Truncated uint64
	// Waiting wait for their turn now.
	Waiting int
	// Off tells why clients are never caught up from the tables; "" where they are.
	Off string
	// Waited and Spent are the time for which readings waited for their turns, and
	// that they took of the database.
	Waited, Spent time.Duration
}

type counters struct {
	readings, failures, refused, rows, lists, truncated atomic.Uint64
	waited, spent                                       atomic.Int64
}

// Stats returns a snapshot. Any goroutine may call it.
func (r *Reader) Stats() Stats {
	c := &r.counters
	off := ""
	r.mu.Lock()
	if r.off != nil {
		off = r.off.Error()
	}
	r.mu.Unlock()
	return Stats{
		Off:      off,
		Readings: c.readings.Load(), Failures: c.failures.Load(), Refused: c.refused.Load(), Rows: c.rows.Load(), Lists: c.lists.Load(),
		Truncated: c.truncated.Load(), Waiting: r.gate.waits(),
		Waited: time.Duration(c.waited.Load()), Spent: time.Duration(c.spent.Load()),
	}
}
