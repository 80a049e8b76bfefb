package send

import (
	"maps"
	"sync"
	"time"
)

// Stats is what a Sender did since its start. Its map is the caller's.
type Stats struct {
	// Results counts requests by what became of them: sent, pending, again for one that
	// was known, else the code of the Fault.
	Results map[string]uint64
	// InFlight are on their way now.
	InFlight int
	// Begun counts the messages that were given to the Way, Spent is the time that it took.
	Begun uint64
	Spent time.Duration
	// Reconciled counts messages that were told as failed, and whose row came later.
	Reconciled uint64
	// Unsettled are told as failed to whoever connects, because their outcome came
	// when its sender may have been away.
	Unsettled int
	// Reads counts conversations marked as read by what became of it: done, else the
	// code of the Fault.
	Reads map[string]uint64
	// Ready: the Sender can send; otherwise Reason says why not.
	Ready  bool
	Reason string
}

type counters struct {
	mu         sync.Mutex
	results    map[string]uint64
	reads      map[string]uint64
	begun      uint64
	spent      time.Duration
	reconciled uint64
}

func (c *counters) result(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.results == nil {
		c.results = make(map[string]uint64)
	}
	c.results[name]++
}

func (c *counters) read(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reads == nil {
		c.reads = make(map[string]uint64)
	}
	c.reads[name]++
}

func (c *counters) took(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begun++
	c.spent += d
}

func (c *counters) reconcile() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reconciled++
}

// Stats returns a snapshot.
func (s *Sender) Stats() Stats {
	s.mu.Lock()
	out := Stats{InFlight: s.rates.all}
	switch {
	case s.opts.Way == nil:
		out.Reason = errRefused.Message
	case s.closed:
		out.Reason = errEnding.Message
	case s.journal == nil:
		out.Reason = s.journalErr
	default:
		out.Ready = true
	}
	for _, w := range s.watched {
		out.Unsettled += len(w.failures)
	}
	s.mu.Unlock()
	c := &s.counters
	c.mu.Lock()
	defer c.mu.Unlock()
	out.Results, out.Reads = maps.Clone(c.results), maps.Clone(c.reads)
	out.Begun, out.Spent, out.Reconciled = c.begun, c.spent, c.reconciled
	return out
}
