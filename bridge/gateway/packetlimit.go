package gateway

import (
	"errors"
	"time"

	"chatbridge/bridge/gateway/frame"

	"golang.org/x/time/rate"
)

// errPackets: a client sent more than Limits.PacketsPerSecond.
var errPackets = errors.New("too many packets")

// packetLimit bounds the frames that a client sends through a tunnel. It is not for
// concurrent use.
type packetLimit struct {
	limits  func() *Limits // as they are now
	refused func()         // called when there are too many
	counter frame.Counter
	bucket  *rate.Limiter // nil: no limit so far
}

// take counts the frames in the connection's next bytes, and reports whether they may
// pass. Each frame counts, a part of a message and a control frame too: each makes
// ChatEngine work.
func (l *packetLimit) take(p []byte) bool {
	frames := l.counter.Count(p)
	limit := l.limits().PacketsPerSecond
	if limit <= 0 {
		return true
	}
	switch {
	case l.bucket == nil:
		l.bucket = rate.NewLimiter(rate.Limit(limit), limit)
	case l.bucket.Burst() != limit:
		l.bucket.SetLimit(rate.Limit(limit))
		l.bucket.SetBurst(limit)
	}
	if l.bucket.AllowN(time.Now(), frames) {
		return true
	}
	l.refused()
	return false
}
