package postgres

import (
	"time"

	"chatbridge/internal/retry"
)

// A refusal by the server may be over in seconds (a pooler that had all
// connections, a password that is just being changed), or last until somebody
// fixes it. So pauses stay short for refusedFor and then grow up to Slow, except
// for refusals that pass by themselves.
const (
	refusedSoon = 2 * time.Second
	refusedFor  = 15 * time.Second
	tooMany     = "53300"
)

// Refusals yields the pauses after refusals, from Min to Slow, with jitter. Use a
// new one after each success. It is not safe for concurrent use.
type Refusals struct {
	Min, Slow time.Duration
	current   time.Duration
	first     time.Time
}

// Next returns the pause after a refusal with that SQLSTATE at now.
func (r *Refusals) Next(code string, now time.Time) time.Duration {
	if r.first.IsZero() {
		r.first = now
	}
	most := r.Slow
	if code == tooMany || now.Sub(r.first) < refusedFor {
		most = min(refusedSoon, r.Slow)
	}
	r.current = min(max(2*r.current, r.Min), most)
	return retry.Jitter(r.current)
}
