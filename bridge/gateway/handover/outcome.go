package handover

import "sync/atomic"

// Outcome is how a hand-over ended.
type Outcome int

const (
	Done    Outcome = iota // all that was missed came, in order
	Late                   // all of it came, but after newer events
	Missed                 // the bridge was not ready in time
	Refused                // the bridge refused the client, or ChatEngine did
	Overrun                // too much to buffer, or frames that cannot be told apart
	Gone                   // the client or ChatEngine left
	outcomes
)

// String is the name used in metrics.
func (o Outcome) String() string {
	return [outcomes]string{"done", "late", "missed", "refused", "overrun", "gone"}[o]
}

type counters struct {
	outcomes [outcomes]atomic.Uint64
	events   atomic.Uint64
}

// Outcomes returns how many hand-overs ended in each way, by name.
func (s *Service) Outcomes() map[string]uint64 {
	m := make(map[string]uint64, outcomes)
	for o := range outcomes {
		m[o.String()] = s.count.outcomes[o].Load()
	}
	return m
}

// Events returns how many events the bridge sent to clients in hand-overs.
func (s *Service) Events() uint64 { return s.count.events.Load() }
