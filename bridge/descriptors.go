package bridge

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"

	"chatbridge/bridge/access"
)

// descriptors keeps a reserve of the process's file descriptors from the clients,
// so that the source can connect and the health endpoints can answer while
// clients use up the rest. A connection's descriptor tells how many are in use:
// the kernel gives the lowest free one.
type descriptors struct {
	// limit is how many the process may have; 0 where that is not known, and
	// nothing is refused then.
	limit   int
	refused atomic.Uint64
	logged  atomic.Bool
	log     *slog.Logger
	// admitsOrigin tells whether a browser's page may read a refusal; nil: none may.
	admitsOrigin func(*http.Request) bool
}

// newDescriptors reads the process's limit. Go raises the soft one to the hard
// one when the process starts.
func newDescriptors(log *slog.Logger) *descriptors {
	d := &descriptors{log: log}
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		d.limit = int(min(limit.Cur, 1<<30))
	}
	return d
}

// reserve is how many descriptors clients leave free: a twentieth of the limit, 32 at least.
func (d *descriptors) reserve() int { return max(d.limit/20, 32) }

// scarceKey marks, in a request's context, a connection whose descriptor is of
// the reserve.
type scarceKey struct{}

// mark is an http.Server's ConnContext.
func (d *descriptors) mark(ctx context.Context, c net.Conn) context.Context {
	if d.scarce(c) {
		return context.WithValue(ctx, scarceKey{}, true)
	}
	return ctx
}

// scarce tells whether a connection's descriptor is of the reserve.
func (d *descriptors) scarce(c net.Conn) bool {
	return d.limit > 0 && descriptorOf(c) >= d.limit-d.reserve()
}

// admit answers nothing but probes on connections whose descriptor is of the
// reserve. Of these, spent has those of the upper half closed, so that the source
// always finds a free descriptor.
func (d *descriptors) admit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Context().Value(scarceKey{}) == nil {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Connection", "close")
		if r.URL.Path == "/healthz" || r.URL.Path == "/readyz" {
			next.ServeHTTP(w, r)
			return
		}
		d.refuse()
		w.Header().Set("Retry-After", "5")
		access.Answer(w, r, d.admitsOrigin, http.StatusServiceUnavailable,
			access.Body{Message: "this server has no room for another connection"})
	})
}

// spent tells whether a new connection has to be closed at once, and counts it then:
// its descriptor is of the upper half of the reserve.
func (d *descriptors) spent(c net.Conn) bool {
	if d.limit == 0 || descriptorOf(c) < d.limit-d.reserve()/2 {
		return false
	}
	d.refuse()
	return true
}

func (d *descriptors) refuse() {
	d.refused.Add(1)
	if !d.logged.Swap(true) {
		d.log.Warn("clients use up the file descriptors: new ones are refused, so that the source and the probes have some; "+
			"raise LimitNOFILE (systemd) or ulimit -n, or lower limits.connections", "limit", d.limit, "reserve", d.reserve())
	}
}

// descriptorOf returns a connection's file descriptor, -1 if it has none.
func descriptorOf(c net.Conn) int {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = t.NetConn()
	}
	n := -1
	if s, ok := c.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { n = int(fd) }) // an error: the connection is closed and has none
		}
	}
	return n
}
