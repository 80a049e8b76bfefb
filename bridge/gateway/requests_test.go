package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"chatbridge/bridge/access"
)

// TestRequestsForNothingAreBounded: what the gateway refuses, and polls of sessions that
// ChatEngine does not have, take of their address's share; sessions and what is for
// ChatEngine's other paths do not.
func TestRequestsForNothingAreBounded(t *testing.T) {
	t.Parallel()
	engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if sid := r.URL.Query().Get("sid"); sid != "" && sid != "alive" {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"code":1,"message":"Session ID unknown"}`)
		}
	}))
	t.Cleanup(engine.Close)
	const share = 2
	var shares access.Shares
	shares.Set(share)
	o := fast(engine.URL + "/base")
	o.TrustedProxies = loopbackNetworks
	o.AdmitRequest = func(r *http.Request) bool { return shares.Take(access.ClientAddr(r, loopbackNetworks)) }
	o.AdmitAddress = func(r *http.Request) bool { return r.Header.Get("X-Barred") == "" }
	o.AdmitOrigin = func(r *http.Request) bool { return r.Header.Get("Origin") != "https://evil.example" }
	g := run(t, o)
	ask := func(from, request string) string {
		return raw(t, g.url, request+"X-Forwarded-For: "+from+"\r\nConnection: close\r\n\r\n")
	}
	const tooMany = "HTTP/1.1 429 "
	var kinds sync.WaitGroup
	number := 0
	for name, request := range map[string]string{
		"CONNECT":           "CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n",
		"no path":           "GET * HTTP/1.1\r\nHost: x\r\n",
		"left the base":     "GET /../a HTTP/1.1\r\nHost: x\r\n",
		"a barred address":  "GET /a HTTP/1.1\r\nHost: x\r\nX-Barred: 1\r\n",
		"a foreign page":    "GET /a HTTP/1.1\r\nHost: x\r\nOrigin: https://evil.example\r\n",
		"its preflight":     "OPTIONS /a HTTP/1.1\r\nHost: x\r\nOrigin: https://evil.example\r\nAccess-Control-Request-Method: GET\r\n",
		"an unknown sid":    "GET /api/ws/?EIO=4&transport=polling&sid=dead HTTP/1.1\r\nHost: x\r\n",
		"a POST of one":     "POST /api/ws/?EIO=4&transport=polling&sid=dead HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n",
		"a preflight of it": "OPTIONS /api/ws/?EIO=4&transport=polling&sid=dead HTTP/1.1\r\nHost: x\r\nOrigin: https://crm.example\r\nAccess-Control-Request-Method: POST\r\n",
	} {
		number++
		from := fmt.Sprintf("2001:db8:0:%d::", number)
		kinds.Go(func() {
			refused := 0
			for i := range 50 {
				answer := ask(fmt.Sprint(from, i+1), request)
				switch {
				case !strings.HasPrefix(answer, tooMany):
				case i < share || !strings.Contains(answer, "application/json") || !strings.Contains(answer, "Connection: close"):
					t.Errorf("%s: the request after %d was answered %q", name, i, answer)
				default:
					refused++
				}
			}
			if refused == 0 {
				t.Errorf("%s: the share does not end", name)
			}
		})
	}
	kinds.Wait()

	// An address without a share has its sessions, and ChatEngine's other paths.
	const office = "192.0.2.9"
	use := func() {
		for range 1000 {
			if strings.HasPrefix(ask(office, "GET /../a HTTP/1.1\r\nHost: x\r\n"), tooMany) {
				return
			}
		}
		t.Fatal("the share does not end")
	}
	const poll = "GET /api/ws/?EIO=4&transport=polling&sid=alive HTTP/1.1\r\nHost: x\r\n"
	if answer := ask("192.0.2.8", poll); !strings.HasPrefix(answer, "HTTP/1.1 200") {
		t.Fatalf("a poll was answered %q", answer)
	}
	for _, request := range []string{
		poll, "GET /api/ws/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n",
		"POST /api/chat/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n",
		"POST /webhooks/whatsapp HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n",
		"OPTIONS /api/chat/messages HTTP/1.1\r\nHost: x\r\nOrigin: https://crm.example\r\nAccess-Control-Request-Method: POST\r\n",
	} {
		use()
		for range 3 * share {
			if answer := ask(office, request); !strings.HasPrefix(answer, "HTTP/1.1 200") {
				t.Errorf("%.40q was answered %q", request, answer)
			}
		}
	}
	if s := g.Stats(); s.Refused["requests_per_address"] == 0 || s.Switches["local"] > 0 {
		t.Errorf("refused %v", s.Refused)
	}
}
