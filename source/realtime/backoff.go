package realtime

import (
	"math/rand/v2"
	"time"
)

// backoff is a series of waits; the last repeats. It has one owner.
type backoff struct {
	waits []time.Duration
	n     int
}

// next returns the next wait, varied by 30 % so that bridges that lost the
// same server do not come back at the same moment.
func (b *backoff) next() time.Duration {
	d := b.waits[min(b.n, len(b.waits)-1)]
	b.n++
	return jitter(d)
}

func (b *backoff) reset() { b.n = 0 }

func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.7 + 0.6*rand.Float64()))
}
