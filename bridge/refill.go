package bridge

import (
	"context"
	"net/http"
	"time"
)

// After a start the source reads the window again to fill the log. A client
// that came before it is done would be sent every event of the window as it is
// read, rather than each conversation's and message's last state: with 50
// clients and 30,000 events a start under load took 18 s instead of two. So new
// sessions wait for it, which their clients do patiently (a connection attempt
// has 20 s); refusing them would cost one of their five attempts.
const (
	// refillPatience is how long after the start sessions wait at most, such
	// as when there is no database.
	refillPatience = 10 * time.Second
	refillLook     = 25 * time.Millisecond
)

// caughtUp tells that the source has read what there was.
func (d *Daemon) caughtUp() bool {
	h := d.source.Health()
	return h.Flowing && h.LagBytes <= freshBytes && h.Lag < 1
}

// awaitRefill lets the sessions in once the log is filled or patience is over.
func (d *Daemon) awaitRefill(ctx context.Context) error {
	tick := time.NewTicker(refillLook)
	defer tick.Stop()
	for !d.caughtUp() && time.Since(d.started) < refillPatience {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
	close(d.refilled)
	return nil
}

// afterRefill holds new sessions back until awaitRefill lets them in.
func (d *Daemon) afterRefill(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !r.URL.Query().Has("sid") {
			select {
			case <-d.refilled:
			case <-r.Context().Done():
				return
			case <-time.After(refillPatience):
			}
		}
		next.ServeHTTP(w, r)
	})
}
