package engineio

import "time"

// bucket is a token bucket: rate tokens a second, at most rate at once. Its
// owner guards it. Each connection has one, of 16 bytes (rate.Limiter has 80), and
// the rate, which may change at any time, is given with each call.
type bucket struct {
	tokens float64
	last   time.Duration
}

// take takes a token at the time now; false means there is none but the reserve of
// so many. A rate of zero always has one.
func (b *bucket) take(rate, reserve int, now time.Duration) bool {
	if rate == 0 {
		return true
	}
	limit := float64(rate)
	b.tokens = min(limit, b.tokens+(now-b.last).Seconds()*limit)
	b.last = now
	if b.tokens < 1+float64(reserve) {
		return false
	}
	b.tokens--
	return true
}
