package logging

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// infoBurst is how many equal lines of information are written per
	// interval; of warnings and errors one is.
	infoBurst = 10
	// maxFaults bounds how many different lines are tracked at a time; the one
	// whose last repetition is the oldest makes room for a new one.
	maxFaults = 256
)

// repeats suppresses repeated lines and writes their count later.
type repeats struct {
	interval time.Duration

	mu     sync.Mutex
	faults map[string]*fault

	lines      [levels]atomic.Uint64
	suppressed atomic.Uint64
}

// fault is a line that may repeat, of any level above debug.
type fault struct {
	out *output
	// latest is the newest record.
	latest slog.Record
	// first and last are the times of the first and the newest record, began
	// is the start of the current interval, written the number of lines that
	// were written in that interval.
	first, last, began time.Time
	written            int
	// total counts the suppressed repetitions, pending those of them since the
	// last line that was written.
	pending, total uint64
	// toldOnce tells that the fault may last although the line does not repeat.
	toldOnce bool
}

func newRepeats(interval time.Duration) *repeats {
	return &repeats{interval: interval, faults: make(map[string]*fault)}
}

// handle writes r or counts it.
func (p *repeats) handle(out *output, prefix string, r slog.Record) error {
	if r.Level < slog.LevelInfo || p.interval < 0 {
		return p.write(out, r)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	key, toldOnce := identity(prefix, r)
	f := p.faults[key]
	if f != nil && r.Time.Sub(f.last) >= p.interval {
		p.end(key, r.Time)
		f = nil
	}
	if f == nil {
		p.evict()
		p.faults[key] = &fault{out: out, latest: r, first: r.Time, last: r.Time, began: r.Time, written: 1, toldOnce: toldOnce}
		return p.write(out, r)
	}
	f.out, f.latest, f.last = out, r, r.Time
	if r.Time.Sub(f.began) >= p.interval {
		f.began, f.written = r.Time, 0
	}
	if f.written < burst(r.Level) {
		f.written++
		return p.writeCount(f, r)
	}
	f.pending++
	f.total++
	p.suppressed.Add(1)
	return nil
}

func burst(l slog.Level) int {
	if l < slog.LevelWarn {
		return infoBurst
	}
	return 1
}

// writeCount writes r with the count of pending repetitions.
func (p *repeats) writeCount(f *fault, r slog.Record) error {
	if f.pending > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Uint64("repeated", f.pending), slog.Time("since", f.first))
		f.pending = 0
	}
	return p.write(f.out, r)
}

func (p *repeats) write(out *output, r slog.Record) error {
	p.lines[levelOf(r.Level)].Add(1)
	return out.write(r)
}

// evict ends the fault whose last repetition is the oldest if there are too many.
func (p *repeats) evict() {
	if len(p.faults) < maxFaults {
		return
	}
	var oldest string
	for key, f := range p.faults {
		if oldest == "" || f.last.Before(p.faults[oldest].last) {
			oldest = key
		}
	}
	p.end(oldest, p.faults[oldest].last)
}

// expire ends the faults that did not repeat in the last interval. The count of
// the others is written by their next repetition.
func (p *repeats) expire(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, f := range p.faults {
		if now.Sub(f.last) >= p.interval {
			p.end(key, now)
		}
	}
}

// end removes a fault. For a warning or error that had repeated it writes event
// "recovered"; for information and lines told once it writes the pending count, if any.
func (p *repeats) end(key string, now time.Time) {
	f := p.faults[key]
	delete(p.faults, key)
	if f.total == 0 || f.toldOnce || f.latest.Level < slog.LevelWarn {
		if f.pending > 0 {
			_ = p.writeCount(f, f.latest)
		}
		return
	}
	r := slog.NewRecord(now, slog.LevelInfo, "recovered", 0)
	r.AddAttrs(
		slog.String("fault", f.latest.Message), slog.Uint64("repeated", f.total),
		slog.Time("since", f.first), slog.Time("until", f.last),
	)
	_ = p.write(f.out, r)
}

// flush writes every pending count and forgets all faults, at the end of the process.
func (p *repeats) flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, f := range p.faults {
		if f.pending > 0 {
			_ = p.writeCount(f, f.latest)
		}
		delete(p.faults, key)
	}
}
