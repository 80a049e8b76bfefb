package gateway

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestOwnLackIsNoFailure: a bridge that has no descriptor or port left for its
// probes keeps ChatEngine's clients where they are, and serves new ones itself.
func TestOwnLackIsNoFailure(t *testing.T) {
	for _, lack := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL} {
		t.Run(lack.Error(), func(t *testing.T) {
			engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprint(w, `{"code":1,"message":"Session ID unknown"}`)
			}))
			t.Cleanup(engine.Close)
			o := DefaultOptions()
			o.Upstream, _ = url.Parse(engine.URL)
			o.Interval, o.FailAfter = 5*time.Millisecond, 1
			o.Local = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "the bridge") })
			o.Knows, o.Shed = func(string) bool { return false }, func(int) int { return 0 }
			g, err := New(o)
			if err != nil {
				t.Fatal(err)
			}
			var lacking atomic.Bool
			g.upstream.dialer.Control = func(string, string, syscall.RawConn) error {
				if lacking.Load() {
					return lack
				}
				return nil
			}
			ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
			done := make(chan error, 1)
			go func() { done <- g.Run(ctx) }()
			t.Cleanup(func() {
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
			await := func(what string, ok func(Stats) bool) {
				t.Helper()
				for deadline := time.Now().Add(20 * time.Second); !ok(g.Stats()); time.Sleep(time.Millisecond) {
					if time.Now().After(deadline) {
						t.Fatalf("timed out: %s: %+v", what, g.Stats())
					}
				}
			}
			await("a good probe", func(s Stats) bool { return s.Status.Healthy })
			lacking.Store(true)
			await("ten probes without a connection", func(s Stats) bool { return s.Refused["resources"] >= 10 })
			w := httptest.NewRecorder()
			g.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/ws/?EIO=4&transport=polling", nil))
			if w.Body.String() != "the bridge" {
				t.Errorf("a new session was answered %d %s", w.Code, w.Body)
			}
			w = httptest.NewRecorder()
			g.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/other", nil))
			if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "room") {
				t.Errorf("another request was answered %d %s", w.Code, w.Body)
			}
			if s := g.Stats(); s.ProbesFailed > 0 || s.Switches["local"] > 0 || s.Failures["dial"] > 0 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

// TestWithoutIPv6 has the error that a machine without IPv6 gives for [::1],
// which is no lack of ports.
func TestWithoutIPv6(t *testing.T) {
	to := func(ip string) error {
		return &net.OpError{Op: "dial", Addr: &net.TCPAddr{IP: net.ParseIP(ip), Port: 1}, Err: syscall.EADDRNOTAVAIL}
	}
	if !ownLack(to("127.0.0.1")) {
		t.Error("no port left for 127.0.0.1 is not the bridge's own lack")
	}
	if addresses := ownAddresses(); ownLack(to("2001:db8::1")) && !strings.Contains(fmt.Sprint(addresses), "2") {
		t.Errorf("no address for IPv6 is the bridge's own lack, with the addresses %v", addresses)
	}
	if name := (&net.DNSError{Err: "dial udp: socket: " + syscall.EMFILE.Error()}); !ownLack(name) {
		t.Error("no descriptor for a question about a name is not the bridge's own lack")
	}
}
