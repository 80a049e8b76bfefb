// Package retry says how long to wait before something is tried again. It
// imports nothing of ours.
package retry

import (
	"context"
	"math/rand/v2"
	"time"
)

// Backoff yields pauses that double from Min to Max, each spread by Jitter. It
// has one owner: its methods are not safe for concurrent use. The zero Min means
// no pause.
type Backoff struct {
	Min, Max time.Duration
	current  time.Duration
}

// Next returns the next pause.
func (b *Backoff) Next() time.Duration {
	b.current = min(max(2*b.current, b.Min), b.Max)
	return Jitter(b.current)
}

// Reset makes the next pause Min again; call it after a success.
func (b *Backoff) Reset() { b.current = 0 }

// Jitter spreads d evenly over 75 to 125 percent of itself, so that many
// bridges, or many clients, do not come at the same moment.
func Jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d - d/4 + rand.N(d/2+1)
}

// Sleep waits for d, or until ctx ends; then it returns ctx's error.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
