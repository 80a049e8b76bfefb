package engineio

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"chatbridge/internal/clientkey"
)

// gate is an admission with a clock of the test's.
type gate struct {
	t      *testing.T
	a      admission
	limits Limits
	now    time.Duration
}

func newGate(t *testing.T, l Limits) *gate {
	return &gate{t: t, a: newAdmission(&l), limits: l}
}

// session is one that was admitted, as Server.handshake makes it.
func (g *gate) session(address string) (s *Session, evicted *Session, reason Reason) {
	key, evicted, reason, ok := g.a.admit(&g.limits, netip.MustParseAddr(address), g.now)
	if !ok {
		return nil, nil, reason
	}
	s = &Session{address: key}
	g.a.setStanding(s, Anonymous)
	return s, evicted, 0
}

func (g *gate) admit(address string) *Session {
	g.t.Helper()
	s, _, reason := g.session(address)
	if s == nil {
		g.t.Fatalf("%s was refused: %v", address, reason)
	}
	return s
}

func (g *gate) wantRefused(address string, want Reason) {
	g.t.Helper()
	if s, _, reason := g.session(address); s != nil || reason != want {
		g.t.Errorf("%s: %v, want %v", address, reason, want)
	}
}

func (g *gate) authenticate(s *Session) {
	g.a.setStanding(s, Pending)
	g.a.setStanding(s, Authenticated)
}

// wantEmpty fails if anything is still counted.
func (g *gate) wantEmpty() {
	g.t.Helper()
	if a := &g.a; a.open != 0 || a.unauthenticated != 0 || a.anonymous.Len() != 0 || a.hosts.active != 0 {
		g.t.Errorf("counts %d open, %d unauthenticated, %d anonymous, %d hosts", a.open, a.unauthenticated, a.anonymous.Len(), a.hosts.active)
	}
}

func TestAddressesOfOneClient(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::", "2001:db8:1:2::": "2001:db8:1:2::", "fe80::1%eth0": "fe80::",
	} {
		if got := clientkey.Of(netip.MustParseAddr(address)).String(); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
	if clientkey.Of(netip.Addr{}).IsValid() {
		t.Error("no address became one")
	}
}

// TestShareOfAnAddress: it is taken before the common rate, by all of a /64.
func TestShareOfAnAddress(t *testing.T) {
	g := newGate(t, Limits{HandshakesPerSecond: 40, HandshakesPerAddress: 5})
	for range 5 {
		g.admit("2001:db8::1")
	}
	for range 1000 {
		g.wantRefused("2001:db8::2", HandshakeRatePerAddress)
	}
	for range 5 {
		g.admit("2001:db8:0:1::1")
	}
	g.now += time.Second
	for range 5 {
		g.admit("2001:db8::3")
	}
}

// TestReserve: a quarter of the rate is for addresses that have a client, or had one
// until a while ago.
func TestReserve(t *testing.T) {
	g := newGate(t, Limits{HandshakesPerSecond: 40})
	known := g.admit("192.0.2.1")
	g.authenticate(known)
	impostor := g.admit("192.0.2.2") // no token is accepted
	fill := func() (n int) {
		for ; ; n++ {
			if s, _, reason := g.session("198.51.100.1"); s == nil {
				if reason != HandshakeRate {
					t.Fatal(reason)
				}
				return n
			}
		}
	}
	if n := fill(); n != 28 {
		t.Errorf("%d of others, want 28", n)
	}
	g.wantRefused("192.0.2.2", HandshakeRate)
	g.a.release(known, Authenticated, g.now)
	g.a.release(impostor, Anonymous, g.now)
	for range 10 {
		g.a.release(g.admit("192.0.2.1"), Anonymous, g.now)
	}
	g.wantRefused("192.0.2.1", HandshakeRate)

	g.now += knownTime - time.Second
	fill()
	g.a.release(g.admit("192.0.2.1"), Anonymous, g.now)
	g.now += time.Second
	fill()
	g.wantRefused("192.0.2.1", HandshakeRate)
}

// TestEviction: the oldest anonymous session makes room, one whose token is being
// checked or was accepted does not.
func TestEviction(t *testing.T) {
	g := newGate(t, Limits{MaxUnauthenticated: 3})
	first, second, third := g.admit("192.0.2.1"), g.admit("192.0.2.2"), g.admit("192.0.2.3")
	g.a.setStanding(first, Pending)
	fourth, evicted, _ := g.session("192.0.2.4")
	if evicted != second {
		t.Error("not the oldest anonymous session was chosen")
	}
	g.a.release(evicted, Anonymous, g.now)
	for _, s := range []*Session{third, fourth} {
		g.a.setStanding(s, Pending)
	}
	g.wantRefused("192.0.2.5", MaxUnauthenticated)
	g.a.setStanding(third, Anonymous) // its token was refused
	fifth, evicted, _ := g.session("192.0.2.5")
	if evicted != third {
		t.Error("a session whose token was refused was not chosen")
	}
	g.a.release(evicted, Anonymous, g.now)
	g.authenticate(first)
	sixth, evicted, _ := g.session("192.0.2.6")
	if sixth == nil || evicted != nil {
		t.Error("an authenticated session counts")
	}
	for s, standing := range map[*Session]Standing{first: Authenticated, fourth: Pending, fifth: Anonymous, sixth: Anonymous} {
		g.a.release(s, standing, g.now)
	}
	g.wantEmpty()
}

// TestHostsAreForgotten: however many addresses there are, few are remembered, and no
// longer than they matter.
func TestHostsAreForgotten(t *testing.T) {
	g := newGate(t, Limits{HandshakesPerAddress: 1})
	address := func(i int) string {
		var b [16]byte
		b[0] = 0x20
		binary.BigEndian.PutUint32(b[4:], uint32(i))
		return netip.AddrFrom16(b).String()
	}
	for i := range 2 * maxIdleHosts {
		if s, _, _ := g.session(address(i)); s != nil {
			g.a.release(s, Anonymous, g.now)
		}
	}
	if n := len(g.a.hosts.byAddress); n > maxIdleHosts+1 {
		t.Errorf("%d hosts are remembered", n)
	}
	g.wantEmpty()
	g.now += time.Second
	g.a.release(g.admit("192.0.2.1"), Anonymous, g.now)
	if n := len(g.a.hosts.byAddress); n > minSweep {
		t.Errorf("%d hosts are remembered after a while", n)
	}
}
