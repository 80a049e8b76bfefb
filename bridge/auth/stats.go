package auth

import (
	"errors"
	"sync/atomic"
	"time"
)

// Stats is a snapshot of what an Authenticator has done. Counts start at 0
// with it and only grow.
type Stats struct {
	// ChatEngine and Supabase count the tokens accepted, by kind.
	ChatEngine, Supabase uint64
	// Refused counts the refusals by code; every code is there.
	Refused map[string]uint64
	// Unavailable counts the tokens that could not be verified then.
	Unavailable uint64
	Members     MemberStats
	Keys        KeyStats
}

// MemberStats are the counters of the questions about membership.
type MemberStats struct {
	// Cached counts those answered from the cache, Asked the others, Failed those
	// of them that got no answer.
	Cached, Asked, Failed uint64
	// Limited counts questions that were not asked because the user or the address
	// had asked too many.
	Limited uint64
	// Checked counts the questions about clients that are connected, ChecksFailed
	// those that got no answer.
	Checked, ChecksFailed uint64
	// Entries is the number of answers in the cache.
	Entries int
}

// KeyStats are the counters of the published keys.
type KeyStats struct {
	// Keys is the number of keys that are known.
	Keys int
	// Fetches counts the attempts to read them, Failures those that failed.
	Fetches, Failures uint64
	// Read is when they were last read; zero if never.
	Read time.Time
	// Error is why they cannot be read now; empty if they can.
	Error string
}

// Stats returns the snapshot.
func (a *Authenticator) Stats() Stats {
	s := Stats{
		ChatEngine: a.counts.kinds[ChatEngine].Load(), Supabase: a.counts.kinds[Supabase].Load(),
		Refused: make(map[string]uint64, len(codes)), Unavailable: a.counts.unavailable.Load(),
	}
	for i, code := range codes {
		s.Refused[code] = a.counts.refused[i].Load()
	}
	if a.members != nil {
		s.Members = a.members.stats()
	}
	if a.keys != nil {
		s.Keys = a.keys.stats()
	}
	return s
}

type counts struct {
	kinds       [Supabase + 1]atomic.Uint64
	refused     [len(codes)]atomic.Uint64
	unavailable atomic.Uint64
}

func (c *counts) add(p Principal, err error) {
	var refusal *Refusal
	switch {
	case err == nil:
		c.kinds[p.Kind].Add(1)
	case errors.As(err, &refusal):
		for i, code := range codes {
			if code == refusal.Code {
				c.refused[i].Add(1)
			}
		}
	default:
		c.unavailable.Add(1)
	}
}
