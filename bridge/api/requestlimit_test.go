package api_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatbridge/bridge/access"
	"chatbridge/bridge/api"
)

// limitedHub is a Server with a share of requests for each address, which a client
// tells by X-Forwarded-For.
func limitedHub(t *testing.T, share int, log io.Writer) *hubTest {
	t.Helper()
	none, err := access.NewOrigins(nil)
	if err != nil {
		t.Fatal(err)
	}
	return startHub(t, func(o *api.Options) {
		o.RequestsPerAddress, o.Origins = share, none
		o.Trusted = access.Addresses{netip.MustParsePrefix("127.0.0.0/8")}
		o.Logger = slog.New(slog.NewTextHandler(log, nil))
	})
}

// ask sends a request from an address, and returns the answer and its body.
func (h *hubTest) ask(from, method, target string, header ...string) (*http.Response, string) {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), method, h.url+target, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header.Set("X-Forwarded-For", from)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return res, string(body)
}

// sessionless are requests that the Handler answers without a session.
var sessionless = map[string]struct {
	method, target string
	header         []string
}{
	"without EIO":        {"GET", "/api/ws/?transport=polling", nil},
	"no query":           {"GET", "/api/ws/", nil},
	"an unknown sid":     {"GET", "/api/ws/?EIO=4&transport=polling&sid=br-unknown", nil},
	"a POST of one":      {"POST", "/api/ws/?EIO=4&transport=polling&sid=br-unknown", nil},
	"an upgrade of one":  {"GET", "/api/ws/?EIO=4&transport=websocket&sid=br-unknown", []string{"Connection", "Upgrade", "Upgrade", "websocket"}},
	"a preflight":        {"OPTIONS", "/api/ws/?EIO=4&transport=polling", []string{"Origin", "https://crm.example", "Access-Control-Request-Method", "GET"}},
	"another method":     {"DELETE", "/api/ws/?EIO=4&transport=polling", nil},
	"a foreign page":     {"GET", "/api/ws/?EIO=4&transport=polling", []string{"Origin", "https://evil.example"}},
	"another path":       {"GET", "/favicon.ico", nil},
	"a large head":       {"GET", "/api/ws/?EIO=4&transport=polling", []string{"X-Large", strings.Repeat("x", 20_000)}},
	"a plain WebSocket":  {"GET", "/api/ws/?EIO=4&transport=websocket", nil},
	"an upgrade to poll": {"GET", "/api/ws/?EIO=4&transport=polling", []string{"Connection", "Upgrade", "Upgrade", "websocket"}},
}

// TestRequestsThatOpenNoSessionAreBounded by address; those of sessions, and other
// addresses, are not concerned.
func TestRequestsThatOpenNoSessionAreBounded(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	var log bytes.Buffer
	h := limitedHub(t, 2, &log)
	var refused atomic.Uint64
	var kinds sync.WaitGroup
	number := 0
	for name, tt := range sessionless {
		number++
		from := fmt.Sprintf("2001:db8:0:%d::", number)
		kinds.Go(func() {
			var first, last *http.Response
			var body string
			for i := range 5 {
				res, got := h.ask(fmt.Sprint(from, i+1), tt.method, tt.target, tt.header...)
				if first == nil {
					first = res
				}
				if res.StatusCode == http.StatusTooManyRequests {
					last, body = res, got
					refused.Add(1)
				}
			}
			if first.StatusCode == http.StatusTooManyRequests || last == nil {
				t.Errorf("%s: answered %s at first, and the share does not end", name, first.Status)
				return
			}
			var answer struct{ Message string }
			if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.Message == "" || !last.Close || last.Header.Get("Retry-After") == "" {
				t.Errorf("%s: answered %q, %v", name, body, last.Header)
			}
			if res, _ := h.ask("192.0.2.1", "GET", "/api/ws/?EIO=4&transport=polling"); res.StatusCode != http.StatusOK {
				t.Errorf("%s: another address was answered %s", name, res.Status)
			}
		})
	}
	kinds.Wait()
	if n := h.server.Stats().RequestsRefused; n == 0 || n != refused.Load() {
		t.Errorf("%d are counted, %d were refused", n, refused.Load())
	}
	if n := strings.Count(log.String(), "request_rate_per_address"); n != 1 {
		t.Errorf("logged %d times, want once", n)
	}

	// An address that has used up its share goes on with its sessions, and has new ones.
	const office = "192.0.2.9"
	for i := 0; ; i++ {
		if res, _ := h.ask(office, "GET", "/none"); res.StatusCode == http.StatusTooManyRequests {
			break
		} else if i == 1000 {
			t.Fatal("the share does not end")
		}
	}
	for range 3 {
		res, open := h.ask(office, "GET", "/api/ws/?EIO=4&transport=polling")
		var session struct{ SID string }
		if err := json.Unmarshal([]byte(strings.TrimPrefix(open, "0")), &session); err != nil {
			t.Fatalf("a handshake was answered %s %s", res.Status, open)
		}
		own := "/api/ws/?EIO=4&transport=polling&sid=" + session.SID
		h.ask(office, "GET", "/none")
		if res, body := h.ask(office, "POST", own); res.StatusCode == http.StatusTooManyRequests {
			t.Errorf("a session's request was answered %s %s", res.Status, body)
		}
	}
	h.server.SetRequestsPerAddress(0)
	for range 20 {
		if res, _ := h.ask(office, "GET", "/none"); res.StatusCode != http.StatusNotFound {
			t.Errorf("without a limit, a request was answered %s", res.Status)
		}
	}
}

// TestAFloodOfRequestsCostsOthersLittle has some attackers of one address send requests
// as fast as they can that open no session, and measures another client's round trips,
// beside those without the flood. Without the share four connections had 11,000 answers
// in half a second, and the 99th percentile went from 0.5 to 20 ms.
func TestAFloodOfRequestsCostsOthersLittle(t *testing.T) {
	for _, kind := range []string{"an unknown sid", "without EIO", "a preflight"} {
		const share, trips = 2500, 200
		h := limitedHub(t, share, io.Discard)
		p := join(t, "ws"+strings.TrimPrefix(h.url, "http"), "w", "")
		measure := func() (p50, p99 time.Duration) {
			var times []time.Duration
			for i := range trips {
				start := time.Now()
				p.say(fmt.Sprintf(`42%d["ping"]`, i))
				p.until(fmt.Sprintf(`43%d`, i))
				times = append(times, time.Since(start))
				time.Sleep(time.Millisecond)
			}
			slices.Sort(times)
			return times[trips/2], times[trips*99/100]
		}
		p50, p99 := measure()
		tt := sessionless[kind]
		request := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.9\r\n", tt.method, tt.target)
		for i := 0; i < len(tt.header); i += 2 {
			request += tt.header[i] + ": " + tt.header[i+1] + "\r\n"
		}
		var attacking sync.WaitGroup
		var over atomic.Bool
		var answered, refused atomic.Int64
		start := time.Now()
		for range 4 {
			attacking.Go(func() {
				for !over.Load() {
					flood(t, h.url, request+"\r\n", &over, &answered, &refused)
				}
			})
		}
		under50, under99 := measure()
		over.Store(true)
		attacking.Wait()
		served, most := answered.Load()-refused.Load(), int64(share*(time.Since(start).Seconds()+1))
		t.Logf("%s: %d served, %d refused; p50 %v, was %v; p99 %v, was %v", kind, served, refused.Load(), under50, p50, under99, p99)
		if under50 > 20*p50+20*time.Millisecond {
			t.Errorf("%s: the median went from %v to %v", kind, p50, under50)
		}
		if served == 0 || served > most {
			t.Errorf("%s: %d were served, want at most %d", kind, served, most)
		}
	}
}

// flood sends a request again and again on one connection until that ends.
func flood(t *testing.T, url, request string, over *atomic.Bool, answered, refused *atomic.Int64) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	r := bufio.NewReader(conn)
	for !over.Load() {
		if _, err := io.WriteString(conn, request); err != nil {
			return
		}
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		answered.Add(1)
		if res.StatusCode == http.StatusTooManyRequests {
			refused.Add(1)
		}
		if res.Close {
			return
		}
	}
}
