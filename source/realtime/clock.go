package realtime

import (
	"sync"
	"time"
)

// clock relates the database's clock to ours. Local times are those of the
// monotonic clock since the start, so that a step of the wall clock here does
// not matter.
type clock struct {
	start time.Time // with its monotonic reading

	mu sync.Mutex
	// current and previous are the smallest (received - committed) of this and
	// the last period. Latency is never negative, so each is at least the
	// clocks' difference.
	current, previous minimum
	periodEnd         time.Duration
	// skew is (our clock - the reader's server's), to a second.
	skew time.Duration
}

// minimum is the smallest duration of those added. The zero minimum has none.
type minimum struct {
	d     time.Duration
	known bool
}

func (m *minimum) add(d time.Duration) {
	if !m.known || d < m.d {
		*m = minimum{d, true}
	}
}

// clockPeriod is how long a sample may count, so that drift does not.
const clockPeriod = 5 * time.Minute

// clockMargin covers the moment between a commit's time stamp and its
// visibility, and the stream's time stamps being cut to milliseconds.
const clockMargin = 50 * time.Millisecond

func newClock() *clock { return &clock{start: time.Now()} }

// Elapsed is the time since the start.
func (c *clock) Elapsed() time.Duration { return time.Since(c.start) }

// observe takes a streamed change's commit time and the moment it came in.
func (c *clock) observe(commit time.Time, at time.Duration) {
	d := c.start.Add(at).Sub(commit)
	c.mu.Lock()
	defer c.mu.Unlock()
	if at > c.periodEnd {
		c.previous, c.current = c.current, minimum{}
		c.periodEnd = at + clockPeriod
	}
	c.current.add(d)
}

// committedBefore returns a time on the database's clock, in microseconds,
// before which every commit was visible to a read that began at the given
// moment; 0 where nothing is known. commit <= received - offset for every
// sample, so the database's clock read at least (begin - offset) then.
func (c *clock) committedBefore(begin time.Duration) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	offset := c.current
	if c.previous.known {
		offset.add(c.previous.d)
	}
	if !offset.known {
		return 0
	}
	return c.start.Add(begin - offset.d - clockMargin).UnixMicro()
}

// Read takes the server's time as an answer gave it.
func (c *clock) Read(server time.Time) {
	if server.IsZero() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.skew = c.start.Add(time.Since(c.start)).Sub(server)
}

// Now is the database's time, to about a second.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.start.Add(time.Since(c.start)).Add(-c.skew).UTC()
}
