package main

import (
	"strings"
	"testing"

	"github.com/gorilla/websocket"
)

// TestWebSocketEcho: text with its type, binary bare. (Engine.IO 4 protocol,
// WebSocket.)
func TestWebSocketEcho(t *testing.T) {
	w := serveCalm(t, "engineio")
	s := w.connect()
	s.send("4hello")
	s.expect("4hello")
	s.sendBinary(1, 2, 3, 4)
	s.expect([]byte{1, 2, 3, 4})
	for _, n := range []int{0, 124, 125, 126, 65_534, 65_535, 65_536, 999_999} { // around the lengths of frame headers
		s.send("4" + strings.Repeat("x", n))
		s.expect("4" + strings.Repeat("x", n))
	}
}

// TestWebSocketInvalid: the connection ends, and nothing else does.
func TestWebSocketInvalid(t *testing.T) {
	w := serveCalm(t, "engineio")
	other := w.connect()
	for _, text := range []string{"abc", "", "9", "2", "2probe", "1", "\x1e", "4" + strings.Repeat("x", 1_000_000)} {
		s := w.connect()
		_ = s.WriteMessage(websocket.TextMessage, []byte(text)) // a large one may be cut off half-way
		s.expectClosed()
	}
	other.send("4still here")
	other.expect("4still here")
}

// TestNoCompression: every browser offers permessage-deflate; it is not negotiated.
func TestNoCompression(t *testing.T) {
	w := serveCalm(t, "engineio")
	d := websocket.Dialer{EnableCompression: true}
	c, resp, err := d.DialContext(w.ctx(), "ws"+strings.TrimPrefix(w.url, "http")+webSocket, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := resp.Header.Get("Sec-Websocket-Extensions"); got != "" {
		t.Errorf("server negotiated %q", got)
	}
}
