package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestOpenPacket: exactly these members, of these types, on both transports.
// (Engine.IO 4 protocol, Handshake.)
func TestOpenPacket(t *testing.T) {
	for _, mode := range []string{"socketio", "engineio"} {
		w := serveMode(t, mode)
		a := w.do(w.ctx(), "GET", polling, "")
		w.want("handshake", a, 200, "")
		packets := map[string]string{`["websocket"]`: a.body, `[]`: w.mustDial(webSocket).text()}
		for upgrades, packet := range packets {
			var members map[string]json.RawMessage
			if err := json.Unmarshal([]byte(packet[1:]), &members); err != nil || packet[0] != '0' {
				t.Fatalf("open packet %q: %v", packet, err)
			}
			keys := slices.Sorted(maps.Keys(members))
			if fmt.Sprint(keys) != "[maxPayload pingInterval pingTimeout sid upgrades]" {
				t.Errorf("open packet has %v", keys)
			}
			for key, want := range map[string]string{
				"upgrades": upgrades, "pingInterval": "300", "pingTimeout": "200", "maxPayload": "1000000",
			} {
				if got := string(members[key]); got != want {
					t.Errorf("%s is %s, want %s", key, got, want)
				}
			}
		}
	}
}

// TestPathSlash: served with and without the slash, and never redirected,
// because a redirect breaks the upgrade.
func TestPathSlash(t *testing.T) {
	w := serveCalm(t, "socketio")
	w.url = strings.TrimSuffix(w.url, "/")
	w.want("polling", w.do(w.ctx(), "GET", polling, ""), 200, "")
	w.join("40", "40")
}

// TestRefusals: the statuses and bodies of Node's server, which clients and
// people know.
func TestRefusals(t *testing.T) {
	const (
		transport = `{"code":0,"message":"Transport unknown"}`
		session   = `{"code":1,"message":"Session ID unknown"}`
		method    = `{"code":2,"message":"Bad handshake method"}`
		request   = `{"code":3,"message":"Bad request"}`
		version   = `{"code":5,"message":"Unsupported protocol version"}`
	)
	w := serveCalm(t, "socketio")
	for _, test := range []struct{ method, query, body string }{
		{"GET", "?transport=polling", version},
		{"GET", "?EIO=abc&transport=polling", version},
		{"GET", "?EIO=3&transport=polling", version},
		{"GET", "?EIO=4", transport},
		{"GET", "?EIO=4&transport=abc", transport},
		{"GET", "?EIO=4&transport=websocket", request}, // no upgrade asked for
		{"POST", polling, method},
		{"PUT", polling, method},
		{"GET", polling + "&sid=nobody", session},
		{"POST", polling + "&sid=nobody", session},
	} {
		a := w.do(w.ctx(), test.method, test.query, "")
		w.want(test.method+" "+test.query, a, 400, test.body)
		if got := a.header.Get("Content-Type"); got != "application/json" {
			t.Errorf("%s %s: Content-Type %q", test.method, test.query, got)
		}
	}
	for _, query := range []string{"?transport=websocket", "?EIO=abc&transport=websocket", "?EIO=4", "?EIO=4&transport=abc", webSocket + "&sid=nobody"} {
		if s, err := w.dial(query); err == nil {
			s.expectClosed()
		}
	}
}

// TestPollingHeaders: what Node's server sends, and no cache may keep.
func TestPollingHeaders(t *testing.T) {
	w := serveCalm(t, "engineio")
	poll := w.do(w.ctx(), "GET", polling, "")
	sid := w.sid(poll.body[1:])
	post := w.post(sid, "4hello")
	w.want("post", post, 200, "ok")
	for name, test := range map[string]struct {
		answer
		contentType string
	}{"poll": {poll, "text/plain; charset=UTF-8"}, "post": {post, "text/html"}} {
		if got := test.header.Get("Content-Type"); got != test.contentType {
			t.Errorf("%s: Content-Type %q, want %q", name, got, test.contentType)
		}
		if got := test.header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: Cache-Control %q, want no-store", name, got)
		}
	}
	a := w.do(w.ctx(), "POST", polling+"&sid="+sid, "4hello", "Content-Type", "application/octet-stream")
	if a.status != 400 {
		t.Errorf("binary body: %d, want 400", a.status)
	}
}

// TestCORS: the CRM is served from another origin; polling needs the headers,
// with credentials only for an origin that is named, and the preflight.
func TestCORS(t *testing.T) {
	o := engineIOOptions()
	o.CheckOrigin = func(origin string) bool { return origin == "https://crm.example.app" }
	a, err := newEngineIO(o)
	if err != nil {
		t.Fatal(err)
	}
	w := serveApp(t, a)
	const good, bad = "https://crm.example.app", "https://evil.example.app"
	for _, test := range []struct {
		method, origin string
		status         int
	}{{"GET", good, 200}, {"OPTIONS", good, 204}, {"GET", bad, 403}, {"GET", "", 200}} {
		header := []string{"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type"}
		if test.origin != "" {
			header = append(header, "Origin", test.origin)
		}
		a := w.do(w.ctx(), test.method, polling, "", header...)
		w.want(test.method+" from "+test.origin, a, test.status, "")
		got := a.header.Get("Access-Control-Allow-Origin") + " " + a.header.Get("Access-Control-Allow-Credentials")
		want := " "
		if test.origin == good {
			want = good + " true"
			if !strings.Contains(a.header.Get("Vary"), "Origin") {
				t.Errorf("%s: Vary %q does not name Origin: a cache would mix origins", test.method, a.header.Get("Vary"))
			}
		}
		if got != want {
			t.Errorf("%s from %q: allowed origin and credentials %q, want %q", test.method, test.origin, got, want)
		}
	}
}
