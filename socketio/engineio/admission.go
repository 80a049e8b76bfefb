package engineio

import (
	"container/list"
	"net/netip"
	"sync"
	"time"
)

// Standing is what a session's client has shown of itself. An application that
// authenticates its clients sets it ([Session.SetStanding]).
type Standing uint8

const (
	// Anonymous: it has shown nothing. When there are too many unauthenticated
	// sessions, the oldest anonymous one is closed for a new one.
	Anonymous Standing = iota
	// Pending: its credentials are being checked.
	Pending
	// Authenticated: they were accepted. This is final.
	Authenticated
)

// SetStanding says what the client has shown. Until it is Authenticated the session
// is bound by the limits for unauthenticated ones. On a closed or authenticated
// session it does nothing.
func (s *Session) SetStanding(to Standing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == stateClosed || s.standing == Authenticated {
		return
	}
	s.standing = to
	if to == Authenticated && s.ws != nil {
		_ = s.ws.Conn.SetReadDeadline(time.Time{}) // of limitMessageTime
	}
	s.server.admission.setStanding(s, to)
}

// unauthenticated reports whether the limits for such sessions hold.
func (s *Session) unauthenticated() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.standing != Authenticated
}

// admission accepts handshakes and counts sessions, in all and by address.
//
// An address has a share of the rate of handshakes, taken first, so that a flood from
// one leaves the rest to the others. A quarter of the rate is kept for addresses that
// have, or had within knownTime, an authenticated session: clients that come back.
// An address cannot be forged, because a handshake takes an exchange of packets with
// it, and becomes known with a valid token only. What the request itself could say of
// an earlier session costs nothing to invent, and the private id of recovery comes
// later, with the CONNECT.
type admission struct {
	mu              sync.Mutex
	closed          bool
	open            int
	unauthenticated int
	anonymous       list.List // of *Session, the oldest first
	handshakes      bucket
	hosts           hosts
}

// newAdmission returns an admission whose bucket is full.
func newAdmission(l *Limits) admission {
	return admission{handshakes: bucket{tokens: float64(l.HandshakesPerSecond)}, hosts: newHosts()}
}

// admit counts a session of address, or returns the reason for refusing it. The key is
// what the session is counted under. Evicted, if not nil, is an anonymous session
// that the caller closes, because there are too many.
func (a *admission) admit(l *Limits, address netip.Addr, now time.Duration) (key netip.Addr, evicted *Session, reason Reason, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	key, h := a.hosts.get(address, l, now)
	full := l.MaxUnauthenticated > 0 && a.unauthenticated >= l.MaxUnauthenticated
	reserve := l.HandshakesPerSecond / 4
	if h.known(now) {
		reserve = 0
	}
	switch {
	case a.closed:
		reason = ShuttingDown
	case l.MaxConnections > 0 && a.open >= l.MaxConnections:
		reason = MaxConnections
	case l.MaxConnectionsPerAddress > 0 && h.open >= l.MaxConnectionsPerAddress:
		reason = MaxConnectionsPerAddress
	case l.MaxUnauthenticatedPerAddress > 0 && h.unauthenticated >= l.MaxUnauthenticatedPerAddress:
		reason = MaxUnauthenticatedPerAddress
	case full && a.anonymous.Len() == 0:
		reason = MaxUnauthenticated
	case !h.handshakes.take(l.HandshakesPerAddress, 0, now):
		reason = HandshakeRatePerAddress
	case !a.handshakes.take(l.HandshakesPerSecond, reserve, now):
		reason = HandshakeRate
	default:
		if full {
			evicted = a.anonymous.Remove(a.anonymous.Front()).(*Session)
			evicted.anonymous = nil
		}
		a.open++
		a.unauthenticated++
		a.hosts.opened(h)
		return key, evicted, 0, true
	}
	return key, nil, reason, false
}

// setStanding counts a session by its standing; its mu is held. A session that was
// admitted is Anonymous from the first call on.
func (a *admission) setStanding(s *Session, to Standing) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case to == Anonymous && s.anonymous == nil:
		s.anonymous = a.anonymous.PushBack(s)
	case to != Anonymous && s.anonymous != nil:
		a.anonymous.Remove(s.anonymous)
		s.anonymous = nil
	}
	if to == Authenticated {
		a.unauthenticated--
		a.hosts.byAddress[s.address].unauthenticated--
	}
}

// release subtracts a session that is closed.
func (a *admission) release(s *Session, standing Standing, now time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s.anonymous != nil {
		a.anonymous.Remove(s.anonymous)
		s.anonymous = nil
	}
	a.open--
	h := a.hosts.byAddress[s.address]
	if standing == Authenticated {
		h.knownUntil = now + knownTime
	} else {
		a.unauthenticated--
		h.unauthenticated--
	}
	a.hosts.released(h)
}

// close makes admit refuse everything.
func (a *admission) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
}
