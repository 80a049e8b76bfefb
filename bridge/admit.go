package bridge

import (
	"net/http"
	"sync"

	"chatbridge/bridge/access"
	"chatbridge/bridge/gateway"
)

// admit lets only the clients of allow.addresses through, if there are any.
func (d *Daemon) admit(next http.Handler) http.Handler {
	allowed, trusted := access.Addresses(d.cfg.Allow.Addresses), access.Addresses(d.cfg.Proxies.Trusted)
	if len(allowed) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a := access.ClientAddr(r, trusted); !allowed.Allow(a) {
			d.refused.once("address "+a.String(), func() {
				d.log.Warn("refused a client by its address; allow.addresses would admit it", "address", a.String())
			})
			http.Error(w, "this address is not admitted", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// filled refuses the gateway's own feeds while the source is behind: until it
// has caught up the log lacks what they are for. The gateway asks again.
func (d *Daemon) filled(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(gateway.CatchUpHeader) != "" && !d.caughtUp() {
			http.Error(w, "the log is not filled yet", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// checkOrigin judges a browser's origin, and says once for each refused one
// what would admit it.
func (d *Daemon) checkOrigin(origin string) bool {
	if d.origins.Load().Allow(origin) {
		return true
	}
	d.refused.once("origin "+origin, func() {
		d.log.Warn("refused a browser by its origin; add it to cors.origins to admit it", "origin", origin)
	})
	return false
}

// refusals remembers what has been logged already. Past its bound it logs
// nothing more: whoever sends ever new origins shall not fill the log.
type refusals struct {
	mu   sync.Mutex
	seen map[string]bool
}

const maxRefusals = 200

func (r *refusals) once(what string, log func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen[what] || len(r.seen) >= maxRefusals || len(what) > maxID {
		return
	}
	if r.seen == nil {
		r.seen = make(map[string]bool)
	}
	r.seen[what] = true
	log()
}
