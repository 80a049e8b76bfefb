//go:build linux

package load_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"chatbridge/bench/internal/event"
	"chatbridge/bench/internal/load"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fan is a server that speaks as much Socket.IO as a client needs, and writes
// what a test says.
type fan struct {
	t      *testing.T
	joined chan *websocket.Conn
}

func startFan(t *testing.T) (*fan, netip.AddrPort) {
	f := &fan{t: t, joined: make(chan *websocket.Conn, 100)}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return f, netip.MustParseAddrPort(strings.TrimPrefix(s.URL, "http://"))
}

func (f *fan) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var up websocket.Upgrader
	c, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer c.Close()
	f.write(c, `0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`+strings.Repeat(" ", 60))
	if _, b, err := c.ReadMessage(); err != nil || string(b) != `40{"token":"t"}` {
		f.t.Errorf("client sent %q, %v, want CONNECT", b, err)
	}
	f.write(c, `40{"sid":"b"}`)
	f.joined <- c
	if _, b, err := c.ReadMessage(); err == nil && string(b) != "3" {
		f.t.Errorf("client sent %q, want a pong", b)
	}
	_, _, _ = c.ReadMessage()
}

func (f *fan) write(c *websocket.Conn, text string) {
	if err := c.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		f.t.Error(err)
	}
}

// conns are the next n clients that have joined; from then on the test alone
// writes to them.
func (f *fan) conns(n int) (c []*websocket.Conn) {
	for range n {
		c = append(c, <-f.joined)
	}
	return c
}

func dial(t *testing.T, addr netip.AddrPort, n int) *load.Group {
	t.Helper()
	g, _, err := load.Dial(t.Context(), load.Options{Addr: addr, Path: "/", Auth: `{"token":"t"}`, Clients: n, InFlight: 3})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

func TestReceiveCountsAll(t *testing.T) {
	f, addr := startFan(t)
	g := dial(t, addr, 7)
	const events = 500
	conns := f.conns(7)
	published := make(chan struct{})
	go func() {
		defer close(published)
		for i := range events {
			due := event.Now() - uint64(40*time.Millisecond) // 40 ms late already
			for _, c := range conns {
				f.write(c, string(event.AppendPacket(nil, uint64(i), due)))
				if i == 250 {
					f.write(c, "2")
				}
			}
		}
	}()
	r, err := g.Receive(t.Context(), events, 1, published)
	if err != nil {
		t.Fatal(err)
	}
	if r.Deliveries != 7*events || r.Lost != 0 || r.Disorder != 0 {
		t.Errorf("%d delivered, %d lost, %d out of order; want %d, 0, 0", r.Deliveries, r.Lost, r.Disorder, 7*events)
	}
	if p := r.Latency.Quantile(0.01); p < 40*time.Millisecond {
		t.Errorf("latency %v, want 40 ms and more: it counts from when an event was due", p)
	}
}

func TestReceiveNoticesLossAndDisorder(t *testing.T) {
	f, addr := startFan(t)
	g := dial(t, addr, 3)
	packet := func(i uint64) string { return string(event.AppendPacket(nil, i, event.Now())) }
	for i, c := range f.conns(3) {
		f.write(c, packet(1))
		f.write(c, packet(0)) // after 1
		if i > 0 {
			f.write(c, packet(2))
		}
	}
	published := make(chan struct{})
	close(published)
	r, err := g.Receive(t.Context(), 3, 1, published)
	if err != nil {
		t.Fatal(err)
	}
	if r.Deliveries != 8 || r.Lost != 1 || r.Disorder != 3 {
		t.Errorf("%d delivered, %d lost, %d out of order; want 8, 1, 3", r.Deliveries, r.Lost, r.Disorder)
	}
}

func TestReceiveReportsEndedConnections(t *testing.T) {
	f, addr := startFan(t)
	g := dial(t, addr, 2)
	_ = f.conns(2)[0].Close()
	published := make(chan struct{})
	close(published)
	if r, err := g.Receive(t.Context(), 1, 1, published); err == nil || r.Lost != 2 {
		t.Errorf("lost %d, error %v; want 2 lost and an error that one connection ended", r.Lost, err)
	}
}

func TestDialSaysWhyItFailed(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	addr := netip.MustParseAddrPort(strings.TrimPrefix(s.URL, "http://"))
	_, _, err := load.Dial(t.Context(), load.Options{Addr: addr, Path: "/", Clients: 1, InFlight: 1})
	if err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("dial a server that refuses: %v, want its status", err)
	}
}

// TestReturnKnowsWhatWasMissed: a client is live once it has had each event that it
// missed, and not before, whatever comes twice or besides.
func TestReturnKnowsWhatWasMissed(t *testing.T) {
	f, addr := startFan(t)
	go func() {
		for _, c := range f.conns(2) {
			for _, seq := range []uint64{5, 100, 103, 103, 106, 109} {
				f.write(c, string(event.AppendPacket(nil, seq, event.Now())))
			}
		}
	}()
	o := load.Options{Addr: addr, Path: "/", Auth: `{"token":"t"}`, Clients: 2, InFlight: 2, Retry: time.Second}
	g, r, err := load.Return(t.Context(), o, load.Missed{From: 100, Every: 3, Count: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if r.Short != 0 || r.Extra != 4 || r.Waits.N() != 2 || r.Longest == 0 {
		t.Errorf("%+v, want nobody short and 4 events besides", r)
	}
}
