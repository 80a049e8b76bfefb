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
	// skew is (our clock - the reader's server's), to a second; 0 until read.
	skew time.Duration
	read bool
	// exact tells that the reader's server is the database itself. Otherwise it is a
	// header of whatever answers for PostgREST, whose clock may be wrong.
	exact bool
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
	offset, known := c.streamed()
	if !known {
		return 0
	}
	return c.start.Add(begin - offset - clockMargin).UnixMicro()
}

// Read takes the server's time as an answer gave it.
func (c *clock) Read(server time.Time) {
	if server.IsZero() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.skew, c.read = c.start.Add(time.Since(c.start)).Sub(server), true
}

// Now is the database's time, to about a second where the clocks are right.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	skew := c.skew
	if streamed, ok := c.streamed(); ok && c.doubtful() {
		skew = streamed
	}
	return c.start.Add(time.Since(c.start)).Add(-skew).UTC()
}

const (
	// clockTolerance is by how much clocks may differ before a warning.
	clockTolerance = time.Minute
	// clockPlausible is the largest error of a clock that is allowed for: by so much
	// what counts as recent can be longer.
	clockPlausible = 24 * time.Hour
)

// Earliest is the earliest that the database's time can be. What is recent goes by it: of
// the reader's server, this machine and the commit times that the stream shows, any may be
// wrong, and a time that is too late would leave rows out. Of two that differ by more than
// a day, the one that is not the stream's is left out; without a stream it is this
// machine's.
func (c *clock) Earliest() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	skew := c.skew
	if !c.exact {
		near := func(d time.Duration) bool { return (d - skew).Abs() <= clockPlausible }
		streamed, ok := c.streamed()
		switch {
		case ok && !near(streamed) && streamed.Abs() <= clockPlausible: // the stream and this machine agree
			skew = max(streamed, 0)
		case near(0):
			skew = max(skew, 0)
		}
		if ok && near(streamed) {
			skew = max(skew, streamed)
		}
	}
	return c.start.Add(time.Since(c.start)).Add(-skew).UTC()
}

// streamed is (our clock - the database's) by the commit times of the stream; too large by
// what the fastest change took. mu is held.
func (c *clock) streamed() (time.Duration, bool) {
	offset := c.current
	if c.previous.known {
		offset.add(c.previous.d)
	}
	return offset.d, offset.known
}

// doubtful reports whether the reader's server and this machine disagree. mu is held.
func (c *clock) doubtful() bool {
	return !c.exact && c.read && c.skew.Abs() > clockTolerance
}

// Disagreement is by how much the clock of what answers for PostgREST is ahead of this
// machine's, negative for behind; 0 where that is a minute at most, or not of interest.
func (c *clock) Disagreement() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.doubtful() {
		return 0
	}
	return -c.skew
}
