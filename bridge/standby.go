package bridge

import (
	"context"
	"net/http"
	"time"

	"chatbridge/bridge/ops"
)

// A bridge that stands by has no events to show: another one follows the
// database. Whoever comes is sent away with 503, so that a load balancer tries
// the other one, and the clients of a bridge that lost the slot are let go.

// standbyBatch clients are let go every standbyPause.
const (
	standbyBatch = 50
	standbyPause = 500 * time.Millisecond
)

func (d *Daemon) standsBy() bool { return d.source.Health().State == ops.StateStandby }

// active refuses new sessions while the bridge stands by. Requests of sessions
// that are open pass.
func (d *Daemon) active(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.standsBy() && !r.URL.Query().Has("sid") {
			w.Header().Set("Retry-After", "1")
			http.Error(w, "this bridge stands by; another one serves", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// letGoOnStandby closes the clients' transports, in batches, while the bridge
// stands by.
func (d *Daemon) letGoOnStandby(ctx context.Context) error {
	tick := time.NewTicker(standbyPause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if d.standsBy() {
				d.server.Shed(standbyBatch)
			}
		}
	}
}
