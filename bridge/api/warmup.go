package api

import (
	"context"
	"net/http"
	"time"
)

// After a start the source reads the window again to fill the log. A client
// that came before it is done would be sent every event of the window as it is
// read, rather than each conversation's and message's last state: with 50
// clients and 30,000 events a start under load took 18 s instead of two. So new
// sessions wait for it: a client's connection attempt may take 20 s, whereas
// refusing it would cost one of its five attempts.
const (
	// warmupTimeout is how long after the start sessions wait at most, such as
	// when there is no database.
	warmupTimeout = 10 * time.Second
	warmupPoll    = 25 * time.Millisecond
)

// warmup makes new sessions wait until the log has been filled once.
type warmup struct {
	source SourceState
	over   chan struct{} // closed by run
}

// run ends the warm-up when the source has caught up or warmupTimeout is over.
func (u *warmup) run(ctx context.Context) {
	tick := time.NewTicker(warmupPoll)
	defer tick.Stop()
	for began := time.Now(); !u.source.CaughtUp() && time.Since(began) < warmupTimeout; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
	close(u.over)
}

// wait delays new sessions until the warm-up is over.
func (u *warmup) wait(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isNewSession(r) {
			select {
			case <-u.over:
			case <-r.Context().Done():
				return
			case <-time.After(warmupTimeout):
			}
		}
		next.ServeHTTP(w, r)
	})
}
