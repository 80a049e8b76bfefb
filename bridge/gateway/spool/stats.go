package spool

import (
	"sync"
	"sync/atomic"
	"time"
)

// Stats is a snapshot. Counters are since the start.
type Stats struct {
	// Open is whether the file can be used, Error why not.
	Open  bool
	Error string
	// Waiting and Dead are how many are kept, Bytes what they take of MaxBytes.
	Waiting, Dead   int
	Bytes, MaxBytes int64
	// OldestAge is the age of the oldest that waits, 0 where none does.
	OldestAge time.Duration
	// Kept counts webhooks kept, Replayed those that ChatEngine took, Died those that
	// became dead letters, Dropped dead letters that were, Attempts all attempts,
	// Failed those that are made again.
	Kept, Replayed, Died, Dropped, Attempts, Failed uint64
	// Refused counts webhooks neither passed on nor kept, by why.
	Refused map[string]uint64
	// SetAside counts damaged files.
	SetAside uint64
}

// refusal is why a webhook was neither passed on nor kept.
type refusal int

const (
	refuseFull   refusal = iota
	refuseDisk           // the file cannot be written
	refuseLarge          // the body is too large
	refuseMemory         // too many bodies are being read
	refuseBody           // the body did not come
	refusals
)

// What else is told at most once a minute.
const (
	tellDead   = refusals
	tellRecord = refusals + 1
	tells      = refusals + 2
)

func (r refusal) String() string {
	return [refusals]string{"full", "disk", "large", "memory", "body"}[r]
}

// Reasons are the keys of Stats.Refused.
func Reasons() (all []string) {
	for why := range refusals {
		all = append(all, why.String())
	}
	return all
}

type counters struct {
	kept, replayed, dead, dropped, attempts, failed, setAside atomic.Uint64

	refused [refusals]atomic.Uint64
	tell    [tells]throttle
}

// throttle lets one line a minute through.
type throttle struct {
	mu   sync.Mutex
	last time.Time
	held uint64
}

// due reports whether a line may be logged, and how many were not before it.
func (t *throttle) due(now time.Time) (held uint64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.last.IsZero() && now.Sub(t.last) < time.Minute {
		t.held++
		return 0, false
	}
	held, t.held, t.last = t.held, 0, now
	return held, true
}

// Stats returns a snapshot. It reads the oldest webhook from the file.
func (s *Spool) Stats() Stats {
	c := &s.count
	out := Stats{
		MaxBytes: s.opts.MaxBytes, Kept: c.kept.Load(), Replayed: c.replayed.Load(), Died: c.dead.Load(), Dropped: c.dropped.Load(),
		Attempts: c.attempts.Load(), Failed: c.failed.Load(), SetAside: c.setAside.Load(), Refused: make(map[string]uint64, refusals),
	}
	for why := range refusals {
		out.Refused[why.String()] = c.refused[why].Load()
	}
	err := s.use(func(st *store) error {
		sum := st.now.Load()
		out.Waiting, out.Dead, out.Bytes = sum.waiting, sum.dead, sum.bytes
		return st.view(func(t txn) error {
			k, v := t.queue().Cursor().First()
			if k == nil {
				return nil
			}
			r, err := decode(k, v)
			if err == nil {
				out.OldestAge = max(0, time.Since(r.Kept))
			}
			return err
		})
	})
	if out.Open = err == nil; err != nil {
		out.Error = err.Error()
	}
	return out
}
