package engineio_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"

	"chatbridge/internal/baseline"
	"chatbridge/socketio/engineio"
	"chatbridge/socketio/internal/rawclient"
)

// wantOpen checks an open packet, but for its sid, which it returns.
func wantOpen(t *testing.T, packet, upgrades string) string {
	t.Helper()
	sid := rawclient.SID(t, packet)
	want := `0{"sid":"` + sid + `","upgrades":` + upgrades + `,"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`
	if packet != want {
		t.Errorf("open packet %s\nwant %s", packet, want)
	}
	return sid
}

func TestHandshakePolling(t *testing.T) {
	_, url := serve(t, newApp(), nil)
	r := rawclient.Do(t, "GET", url+"?EIO=4&transport=polling&t=abc", "")
	if r.Status != 200 {
		t.Fatalf("status %d: %s", r.Status, r.Body)
	}
	wantOpen(t, r.Body, `["websocket"]`)
	for name, want := range map[string]string{
		"Content-Type": "text/plain; charset=UTF-8", "Cache-Control": "no-store",
		"Access-Control-Allow-Origin": "", // no Origin was sent
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestHandshakeWebSocket(t *testing.T) {
	_, url := serve(t, newApp(), func(o *engineio.Options) { o.SIDPrefix = "br-" })
	d := websocket.Dialer{EnableCompression: true}
	conn, resp, err := d.Dial("ws"+strings.TrimPrefix(url, "http")+ws, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := resp.Header.Get("Sec-WebSocket-Extensions"); got != "" {
		t.Errorf("extensions %q, want none unless asked for", got)
	}
	c := rawclient.Wrap(t, conn)
	sid := wantOpen(t, c.Next(), `[]`)
	if len(sid) != 23 || sid[:3] != "br-" {
		t.Errorf("sid %q: want br- and 20 characters", sid)
	}
}

func TestRefusedRequests(t *testing.T) {
	_, url := serve(t, newApp(), nil)
	p := rawclient.OpenPolling(t, url)
	for _, test := range []struct {
		method, query string
		status, code  int
		message       string
	}{
		{"GET", "?transport=polling", 400, 5, "Unsupported protocol version"},
		{"GET", "?EIO=abc&transport=polling", 400, 5, "Unsupported protocol version"},
		{"GET", "?EIO=3&transport=polling", 400, 5, "Unsupported protocol version"},
		{"GET", "?EIO=4", 400, 0, "Transport unknown"},
		{"GET", "?EIO=4&transport=abc", 400, 0, "Transport unknown"},
		{"POST", "?EIO=4&transport=polling", 400, 2, "Bad handshake method"},
		{"PUT", "?EIO=4&transport=polling", 400, 2, "Bad handshake method"},
		{"GET", "?EIO=4&transport=polling&j=0", 400, 0, "Transport unknown"},
		{"GET", "?EIO=4&transport=websocket", 400, 3, "Bad request"},
		{"GET", "?EIO=4&transport=polling&sid=abc", 400, 1, "Session ID unknown"},
		{"POST", "?EIO=4&transport=polling&sid=abc", 400, 1, "Session ID unknown"},
		{"GET", "?EIO=4&transport=websocket&sid=" + p.SID, 400, 3, "Bad request"},
	} {
		r := rawclient.Do(t, test.method, url+test.query, "")
		var body struct {
			Code    int
			Message string
		}
		if err := json.Unmarshal([]byte(r.Body), &body); err != nil {
			t.Errorf("%s %s: body %q: %v", test.method, test.query, r.Body, err)
		}
		got := []any{r.Status, body.Code, body.Message, r.Header.Get("Content-Type")}
		if diff := cmp.Diff([]any{test.status, test.code, test.message, "application/json"}, got); diff != "" {
			t.Errorf("%s %s: %s", test.method, test.query, diff)
		}
	}
	p.WantPost("4still there")
	p.Want("4still there")
}

func TestRefusedWebSockets(t *testing.T) {
	s, url := serve(t, newApp(), nil)
	for _, query := range []string{
		"?transport=websocket", "?EIO=abc&transport=websocket", "?EIO=4", "?EIO=4&transport=abc",
		"?EIO=4&transport=polling", "?EIO=4&transport=websocket&sid=abc",
	} {
		if _, status, err := rawclient.TryDial(t, url+query); err == nil || status != 400 {
			t.Errorf("%s: status %d, error %v; want 400", query, status, err)
		}
	}
	st := s.Stats()
	got := []uint64{
		st.Refusals[engineio.UnsupportedProtocol], st.Refusals[engineio.UnknownTransport],
		st.Refusals[engineio.BadRequest], st.Refusals[engineio.UnknownSession], st.Connects,
	}
	if diff := cmp.Diff([]uint64{2, 2, 1, 1, 0}, got); diff != "" {
		t.Error("refusals by reason:", diff)
	}
}

func TestCORS(t *testing.T) {
	_, url := serve(t, newApp(), func(o *engineio.Options) {
		o.CheckOrigin = func(origin string) bool { return origin == "https://crm.example" }
	})
	polling := url + "?EIO=4&transport=polling"

	r := rawclient.Do(t, "GET", polling, "", "Origin", "https://crm.example")
	if r.Status != 200 || r.Header.Get("Access-Control-Allow-Origin") != "https://crm.example" ||
		r.Header.Get("Access-Control-Allow-Credentials") != "true" || r.Header.Get("Vary") != "Origin" {
		t.Errorf("allowed origin: %d %v", r.Status, r.Header)
	}
	r = rawclient.Do(t, "GET", polling, "", "Origin", "https://evil.example")
	if r.Status != 403 || r.Body != `{"code":4,"message":"Forbidden"}` || r.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("other origin: %d %s %v", r.Status, r.Body, r.Header)
	}
	r = rawclient.Do(t, "OPTIONS", polling, "", "Origin", "https://crm.example",
		"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "x-token")
	if r.Status != 204 || r.Header.Get("Access-Control-Allow-Headers") != "x-token" ||
		r.Header.Get("Access-Control-Allow-Methods") == "" || r.Header.Get("Access-Control-Allow-Origin") != "https://crm.example" {
		t.Errorf("preflight: %d %v", r.Status, r.Header)
	}
	// Node's server takes every OPTIONS for a preflight.
	if r := rawclient.Do(t, "OPTIONS", polling, ""); r.Status != 204 || r.Header.Get("Access-Control-Allow-Methods") == "" {
		t.Errorf("OPTIONS: %d %v", r.Status, r.Header)
	}
	if r := rawclient.Do(t, "OPTIONS", polling, "", "Origin", "https://evil.example"); r.Status != 403 {
		t.Errorf("OPTIONS from another origin: %d, want 403", r.Status)
	}
	if _, status, err := rawclient.TryDial(t, url+ws, "Origin", "https://evil.example"); err == nil || status != 403 {
		t.Errorf("WebSocket from another origin: status %d, %v; want 403", status, err)
	}
	rawclient.Dial(t, url+ws, "Origin", "https://crm.example").WantPrefix("0")
}

func TestSameOriginByDefault(t *testing.T) {
	_, url := serve(t, newApp(), nil)
	for origin, want := range map[string]int{url: 200, "https://evil.example": 403, "null": 403} {
		if r := rawclient.Do(t, "GET", url+"?EIO=4&transport=polling", "", "Origin", origin); r.Status != want {
			t.Errorf("origin %q: status %d, want %d", origin, r.Status, want)
		}
	}
}

// The first subprotocol that a client offers is chosen, as Node's server does, also in
// an upgrade.
func TestSubprotocol(t *testing.T) {
	_, url := serve(t, newApp(), nil)
	d := websocket.Dialer{Subprotocols: []string{"first", "second"}}
	for _, target := range []string{url + ws, upgradeURL(url, rawclient.OpenPolling(t, url))} {
		c, _, err := d.Dial("ws"+strings.TrimPrefix(target, "http"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Subprotocol(); got != "first" {
			t.Errorf("%q was chosen", got)
		}
		_ = c.Close()
	}
}

// The head of a handshake is kept by its session, so it is bounded.
func TestLargeHead(t *testing.T) {
	_, url := serve(t, newApp(), nil)
	_ = dial(t, url).Conn.Close() // what the server starts once, it has then
	before := baseline.Take(t)
	for size, want := range map[int]int{10_000: 101, 20_000: 400} {
		for _, header := range [][]string{{"X-Large", strings.Repeat("x", size)}, {"X-None", ""}} {
			target := url + ws
			if header[1] == "" {
				target += "&large=" + strings.Repeat("x", size)
			}
			c, status, _ := rawclient.TryDial(t, target, header...)
			if status != want {
				t.Errorf("%s of %d bytes: status %d, want %d", header[0], size, status, want)
			}
			if c != nil {
				_ = c.Conn.Close()
			}
		}
	}
	before.Await(t)
}
