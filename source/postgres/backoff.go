package postgres

import (
	"math/rand/v2"
	"time"
)

// backoff yields pauses that double from min to max.
type backoff struct {
	min, max, current time.Duration
}

func (b *backoff) reset() { b.current = 0 }

func (b *backoff) next() time.Duration {
	b.current = min(max(2*b.current, b.min), b.max)
	return jitter(b.current)
}

// jitter spreads d over 75 to 125 percent of itself, so that many bridges do
// not come back at the same moment.
func jitter(d time.Duration) time.Duration {
	return d*3/4 + rand.N(d/2+1)
}

// A refusal by the server may be over in seconds (a pooler that had all
// connections, a password that is just being changed), or last until somebody
// mends it. So it is tried again soon for a while, and then more and more
// rarely, but for refusals that pass by themselves.
const (
	refusedSoon = 2 * time.Second
	refusedFor  = 15 * time.Second
	tooMany     = "53300"
)

// Refusals yields the pauses after refusals, from Min to Slow. A new one is for
// each time that the server has been well in between.
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
	return jitter(r.current)
}
