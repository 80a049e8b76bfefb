package auth

import (
	"errors"
	"sync/atomic"
	"time"
)

// Stats is a snapshot of what an Authenticator has done. Counts begin at 0 with New and
// only grow.
type Stats struct {
	// ChatEngine and Supabase count the tokens accepted, by kind.
	ChatEngine, Supabase uint64
	// Refused counts the refusals by code; every code is there.
	Refused map[string]uint64
	// Unavailable counts the tokens that could not be verified at the time.
	Unavailable uint64
	Members     MemberStats
	Keys        KeyStats
}

// MemberStats are the counters of the questions about membership.
type MemberStats struct {
	// Cached counts the answers from the cache, Asked the questions to Members (one
	// for concurrent callers that share it), and Failed those of Asked that got no
	// answer.
	Cached, Asked, Failed uint64
	// Limited counts the questions that failed with ErrTooManyQuestions; Asked does
	// not include them.
	Limited uint64
	// Checked counts the answered questions about connected clients, ChecksFailed
	// the unanswered ones.
	Checked, ChecksFailed uint64
	// Entries is the number of answers in the cache.
	Entries int
}

// KeyStats describe the published keys.
type KeyStats struct {
	// Keys is the number of known keys.
	Keys int
	// Fetches counts the attempts to read the keys, Failures those that failed.
	Fetches, Failures uint64
	// Read is when the keys were last read successfully; zero if never.
	Read time.Time
	// Error is why the last attempt failed; empty if it succeeded.
	Error string
}

// Stats returns the counters as of now.
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
