package failover_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"chatbridge/internal/chatengine"
	"chatbridge/internal/failover"
)

// TestProxies runs each load balancer with the configuration in configs/, and
// checks which server it sends clients to. What clients miss is tested in the
// scenarios.
func TestProxies(t *testing.T) {
	for _, kind := range failover.Kinds() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := &world{t: t, form: chatengine.Real, size: sizes(), conversations: conversations(chatengine.Real)}
			engine := chatengine.New(t, chatengine.Options{Secret: secret})
			standby := chatengine.New(t, chatengine.Options{Secret: secret})
			toStandby := failover.NewLink(t, standby.Addr())
			proxy := failover.StartProxy(t, kind, engine.Addr(), toStandby.Addr())
			t.Cleanup(http.DefaultClient.CloseIdleConnections)

			if status, body := get(t, proxy.URL+"/health"); status != 200 || body != "ok" {
				t.Fatalf("another path: status %d, body %q", status, body)
			}
			routesBySession(t, proxy.URL, toStandby)

			clients := w.clients(proxy.URL)
			engine.Kill()
			awaitConnects(t, clients, 2*w.size.clients)
			s := clients.Summary()
			if s.Connects != 2*w.size.clients || s.Errors > 0 || len(s.Failures) > 0 {
				t.Fatalf("after ChatEngine was killed: %v %v; want one reconnection each and no failed attempt", s, s.Failures)
			}
			if n := toStandby.Len(); n < w.size.clients {
				t.Fatalf("%d connections at the standby, want %d", n, w.size.clients)
			}
			if status, _ := get(t, proxy.URL+"/health"); status/100 != 5 {
				t.Fatalf("another path without ChatEngine: status %d", status)
			}
			if !full() {
				return
			}
			returns(t, engine, toStandby, clients)
			if kind != "nginx" {
				hangs(t, engine, clients, kind)
			}
		})
	}
}

// get is a request on a connection of its own.
func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// routesBySession: a sid of the bridge's goes to the bridge though ChatEngine
// lives; any other, and none, to ChatEngine.
func routesBySession(t *testing.T, url string, toStandby *failover.Link) {
	t.Helper()
	for sid, bridges := range map[string]bool{"br-123": true, "abc": false, "": false} {
		query := "/api/ws/?EIO=4&transport=polling"
		if sid != "" {
			query += "&sid=" + sid
		}
		before := toStandby.Bytes()
		if !bridges {
			toStandby.Stall() // what went there would get no answer
		}
		status, body := get(t, url+query)
		toStandby.Resume()
		if sid == "" && (status != 200 || !strings.HasPrefix(body, "0{")) {
			t.Fatalf("handshake: %d %s", status, body)
		}
		if sid != "" && (status != 400 || !strings.Contains(body, "Session ID unknown")) {
			t.Fatalf("unknown sid: %d %s", status, body)
		}
		if bridges && toStandby.Bytes() == before {
			t.Fatalf("sid %q did not arrive at the bridge", sid)
		}
	}
}

// returns: once ChatEngine has been back for a while, new clients go there.
func returns(t *testing.T, engine *chatengine.Server, toStandby *failover.Link, clients *failover.Clients) {
	t.Helper()
	if err := engine.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(40 * time.Second)
	for toStandby.Len() > 2 { // health checks
		if time.Now().After(deadline) {
			t.Fatalf("new clients do not come to the restored ChatEngine")
		}
		time.Sleep(2 * time.Second)
		clients.Forget("")
	}
}

// hangs: a ChatEngine that accepts and does not answer. New clients come to the
// standby; HAProxy closes the open websockets too.
func hangs(t *testing.T, engine *chatengine.Server, clients *failover.Clients, kind string) {
	t.Helper()
	if err := engine.Freeze(); err != nil {
		t.Fatal(err)
	}
	if kind == "haproxy" {
		before := clients.Summary()
		awaitConnects(t, clients, before.Connects+len(before.Known))
		return
	}
	clients.Forget("") // returns when all are connected
	if s := clients.Summary(); len(s.Failures) > 0 {
		t.Fatal(s.Failures)
	}
}
