package gateway

import (
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"chatbridge/bridge/access"
	"chatbridge/internal/clientkey"
)

// Limits bound what is passed on to ChatEngine. Zero is no limit.
type Limits struct {
	// Connections is how many requests and WebSockets may be under way at once,
	// ConnectionsPerAddress how many of one address (IPv6: of one /64).
	Connections, ConnectionsPerAddress int
	// HandshakesPerSecond is how many sessions may be opened in a second,
	// HandshakesPerAddress how many of them by one address, so that a flood from
	// one keeps nobody else out.
	HandshakesPerSecond, HandshakesPerAddress int
	// PacketsPerSecond is how many WebSocket frames one client may send in a second,
	// also all at once, through a proxied WebSocket on the Socket.IO path.
	PacketsPerSecond int
	// Payload is the largest body of a Socket.IO request, in bytes.
	Payload int64
	// WriteTimeout bounds one write to a client of a proxied WebSocket; a client
	// that reads nothing for so long is closed. It must be positive.
	WriteTimeout time.Duration
}

// SetLimits replaces Options.Limits for requests from now on, and for the packets and
// the writes of WebSockets that are open. Safe for concurrent use.
func (g *Gateway) SetLimits(l Limits) { g.admission.limits.Store(&l) }

// admits judges a request by where it comes from and whether it can be passed on
// at all, and answers it where it is refused.
func (g *Gateway) admits(w http.ResponseWriter, r *http.Request) bool {
	switch {
	case g.ending.Load():
		access.Answer(w, r, g.opts.AdmitOrigin, http.StatusServiceUnavailable, access.Body{Message: "shutting down"})
	case r.Method == http.MethodConnect:
		g.refuse(w, r, refuseMethod)
	case !access.HasPath(r):
		g.refuse(w, r, refuseTarget)
	case g.hasPassed(r):
		w.Header().Set(hopHeader, g.upstream.id)
		g.refuse(w, r, refuseLoop)
	case !g.opts.AdmitAddress(r):
		g.refuse(w, r, refuseAddress)
	case !g.opts.AdmitOrigin(r):
		g.refuse(w, r, refuseOrigin)
	default:
		return true
	}
	return false
}

// enter counts a request that is to be passed on, or refuses and answers it. The
// caller calls leave when it has ended, or is not passed on after all; repeating
// that does nothing.
func (g *Gateway) enter(w http.ResponseWriter, r *http.Request, opens bool) (leave func(), ok bool) {
	address := clientkey.Of(g.clientAddr(r))
	if why, ok := g.admission.enter(address, opens, time.Now()); !ok {
		g.refuse(w, r, why)
		return nil, false
	}
	return sync.OnceFunc(func() { g.admission.leave(address) }), true
}

func (g *Gateway) clientAddr(r *http.Request) netip.Addr {
	return access.ClientAddr(r, g.opts.TrustedProxies)
}

// admission counts what is passed on.
type admission struct {
	limits atomic.Pointer[Limits]

	mu         sync.Mutex // held while what follows is used
	open       int
	perAddress map[netip.Addr]int

	second   int64 // Unix time of what follows
	opened   int   // sessions
	openedBy map[netip.Addr]int
}

// enter counts a request, and reports why it is not admitted.
func (a *admission) enter(address netip.Addr, opens bool, now time.Time) (why refusal, ok bool) {
	l := a.limits.Load()
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case l.Connections > 0 && a.open >= l.Connections:
		return refuseConnections, false
	case l.ConnectionsPerAddress > 0 && a.perAddress[address] >= l.ConnectionsPerAddress:
		return refuseAddressShare, false
	case opens && !a.takeHandshake(address, l, now):
		return refuseRate, false
	}
	if a.perAddress == nil {
		a.perAddress = make(map[netip.Addr]int)
	}
	a.open++
	a.perAddress[address]++
	return 0, true
}

// takeHandshake takes one of the sessions that may be opened in this second;
// a.mu is held.
func (a *admission) takeHandshake(address netip.Addr, l *Limits, now time.Time) bool {
	rate, own := l.HandshakesPerSecond, l.HandshakesPerAddress
	if rate == 0 && own == 0 {
		return true
	}
	if second := now.Unix(); second != a.second {
		a.second, a.opened, a.openedBy = second, 0, make(map[netip.Addr]int)
	}
	if rate > 0 && a.opened >= rate || own > 0 && a.openedBy[address] >= own {
		return false
	}
	a.opened++
	a.openedBy[address]++ // no more entries than sessions
	return true
}

// leave takes back what enter counted.
func (a *admission) leave(address netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open--
	if a.perAddress[address]--; a.perAddress[address] == 0 {
		delete(a.perAddress, address)
	}
}
