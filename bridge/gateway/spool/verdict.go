package spool

import (
	"net/http"
	"strconv"
	"time"

	"chatbridge/internal/retry"
)

// Verdict is what became of an attempt.
type Verdict int

const (
	Taken   Verdict = iota // 2xx
	Refused                // for good: another attempt would be refused as well
	Failed                 // perhaps because of this very webhook
	Busy                   // too many in too short a time
	Away                   // ChatEngine is not there
)

// Judge returns what a status of ChatEngine's means.
func Judge(status int) Verdict {
	switch {
	case status >= 200 && status < 300:
		return Taken
	case status == http.StatusTooManyRequests:
		return Busy
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly:
		return Failed
	case status == http.StatusBadGateway, status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		return Away // a proxy's answer, in front of a ChatEngine that is down
	case status >= 500, status < 200:
		return Failed
	}
	return Refused
}

// Retries reports whether a webhook of that verdict is to be tried again.
func (v Verdict) Retries() bool { return v != Taken && v != Refused }

const (
	// maxFailures is after how many failures that may be its own doing a webhook is
	// a dead letter: some 19 minutes.
	maxFailures = 12
	// firstPause doubles up to maxPause for a webhook's own failures, and up to
	// maxAway where ChatEngine is away or busy.
	firstPause = time.Second
	maxPause   = 5 * time.Minute
	maxAway    = 30 * time.Second
	// maxRetryAfter bounds what ChatEngine can ask for.
	maxRetryAfter = time.Hour
)

// pauseAfter returns how long a webhook waits after its n-th failure.
func pauseAfter(n int) time.Duration {
	return retry.Jitter(min(firstPause<<min(n-1, 20), maxPause))
}

// retryAfter returns what an answer asks for (RFC 9110, 10.2.3), 0 for nothing.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if text == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(text, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, min(at.Sub(now), maxRetryAfter))
	}
	return 0
}
