package gateway_test

import (
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatbridge/bridge/access"

	"github.com/gorilla/websocket"

	"chatbridge/bridge/gateway"
	"chatbridge/internal/baseline"
)

// TestAFloodCostsOthersLittle has some attackers send as fast as they can what is
// refused, and measures another client's round trips through its WebSocket,
// beside those without the flood.
func TestAFloodCostsOthersLittle(t *testing.T) {
	engine := newEcho(t)
	for name, request := range map[string]string{
		"CONNECT":       attacks["CONNECT"].request,
		"bad chunks":    attacks["bad chunk, session"].request,
		"left the base": "GET /%2e%2e/admin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"unknown sids":  "GET /api/ws/?EIO=4&transport=polling&sid=unknown HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Forwarded-For: 192.0.2.9\r\n\r\n",
		"over the rate": "GET /api/ws/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Forwarded-For: 192.0.2.9\r\n\r\n",
	} {
		o := fast(engine.URL + "/base")
		o.CatchUp = 0
		o.TrustedProxies = loopbackNetworks
		o.Limits.HandshakesPerSecond, o.Limits.HandshakesPerAddress = 1000, 10
		var shares access.Shares
		shares.Set(100)
		o.AdmitRequest = func(r *http.Request) bool {
			address := access.ClientAddr(r, loopbackNetworks)
			if address.IsLoopback() || shares.Take(address) { // the other kinds are not bounded by it
				return true
			}
			shares.Hold(r.Context())
			return false
		}
		g := run(t, o)
		g.await(t, "first probe", func(s gateway.Status) bool { return s.Healthy })
		before := baseline.Take(t)
		conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(g.url, "http")+"/api/ws/?EIO=4&transport=websocket", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := conn.ReadMessage(); err != nil {
			t.Fatal(err)
		}
		const trips = 300
		measure := func() (p50, p99 time.Duration) {
			t.Helper()
			var times []time.Duration
			for range trips {
				start := time.Now()
				if err := conn.WriteMessage(websocket.TextMessage, []byte(event("message", 1))); err != nil {
					t.Fatal(err)
				}
				if _, _, err := conn.ReadMessage(); err != nil {
					t.Fatal(err)
				}
				times = append(times, time.Since(start))
				time.Sleep(time.Millisecond)
			}
			slices.Sort(times)
			return times[trips/2], times[trips*99/100]
		}
		p50, p99 := measure()
		var attacking sync.WaitGroup
		var over atomic.Bool
		var sent atomic.Int64
		for range 4 {
			attacking.Go(func() {
				for !over.Load() {
					attack, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
					if err != nil {
						t.Error(err)
						return
					}
					attack.SetDeadline(time.Now().Add(5 * time.Second))
					_, _ = io.WriteString(attack, request)
					_, _ = attack.Read(make([]byte, 512)) // refused, one way or the other
					attack.Close()
					sent.Add(1)
				}
			})
		}
		under50, under99 := measure()
		over.Store(true)
		attacking.Wait()
		conn.Close()
		t.Logf("%s: %d requests; p50 %v, was %v; p99 %v, was %v", name, sent.Load(), under50, p50, under99, p99)
		if under50 > 20*p50+20*time.Millisecond {
			t.Errorf("%s: the median went from %v to %v", name, p50, under50)
		}
		if s := g.Stats(); s.Switches["local"] > 0 || sent.Load() == 0 {
			t.Errorf("%s: %d requests, %s", name, sent.Load(), s.Status.Reason)
		}
		engine.CloseClientConnections() // the gateway keeps some for later
		before.Await(t)
	}
}
