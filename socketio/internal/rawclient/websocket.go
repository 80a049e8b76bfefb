package rawclient

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// Timeout is how long a test waits for what must come.
const Timeout = 10 * time.Second

// WS is a WebSocket. It is closed at the test's end.
type WS struct {
	t    testing.TB
	Conn *websocket.Conn
}

// Dial opens a WebSocket to an http URL.
func Dial(t testing.TB, url string, header ...string) *WS {
	t.Helper()
	ws, status, err := TryDial(t, url, header...)
	if err != nil {
		t.Fatalf("dial %s: %v (status %d)", url, err, status)
	}
	return ws
}

// TryDial is Dial that may fail; the status is that of the HTTP response, 0 if
// there was none. Header is name, value, name, value...
func TryDial(t testing.TB, url string, header ...string) (*WS, int, error) {
	t.Helper()
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Add(header[i], header[i+1])
	}
	d := websocket.Dialer{HandshakeTimeout: Timeout}
	conn, resp, err := d.Dial("ws"+strings.TrimPrefix(url, "http"), h)
	status := 0
	if resp != nil {
		status = resp.StatusCode
		_ = resp.Body.Close()
	}
	if err != nil {
		return nil, status, err
	}
	return Wrap(t, conn), status, nil
}

// Wrap makes a WS of a connection.
func Wrap(t testing.TB, conn *websocket.Conn) *WS {
	t.Cleanup(func() { _ = conn.Close() })
	return &WS{t: t, Conn: conn}
}

// Send sends text frames.
func (w *WS) Send(texts ...string) {
	w.t.Helper()
	for _, s := range texts {
		if err := w.Conn.WriteMessage(websocket.TextMessage, []byte(s)); err != nil {
			w.t.Fatalf("send %.60q: %v", s, err)
		}
	}
}

// SendBinary sends a binary frame.
func (w *WS) SendBinary(b []byte) {
	w.t.Helper()
	if err := w.Conn.WriteMessage(websocket.BinaryMessage, b); err != nil {
		w.t.Fatalf("send binary: %v", err)
	}
}

// Next returns the next message; binary ones with "binary:" before them.
func (w *WS) Next() string {
	w.t.Helper()
	_ = w.Conn.SetReadDeadline(time.Now().Add(Timeout))
	kind, data, err := w.Conn.ReadMessage()
	if err != nil {
		w.t.Fatalf("read: %v", err)
	}
	if kind == websocket.BinaryMessage {
		return "binary:" + string(data)
	}
	return string(data)
}

// Want fails unless these are the next messages.
func (w *WS) Want(texts ...string) {
	w.t.Helper()
	for _, want := range texts {
		if got := w.Next(); got != want {
			w.t.Fatalf("got %.200q, want %.200q", got, want)
		}
	}
}

// WantPrefix returns the next message, which must begin so.
func (w *WS) WantPrefix(prefix string) string {
	w.t.Helper()
	got := w.Next()
	if !strings.HasPrefix(got, prefix) {
		w.t.Fatalf("got %.200q, want it to begin with %q", got, prefix)
	}
	return got
}

// WantClosed reads until the connection ends, fails if that does not happen or
// anything but heartbeats comes before it, and returns the close code: -1 if there
// was no close frame.
func (w *WS) WantClosed() int {
	w.t.Helper()
	for {
		_ = w.Conn.SetReadDeadline(time.Now().Add(Timeout))
		_, data, err := w.Conn.ReadMessage()
		if err == nil {
			if string(data) != "2" {
				w.t.Fatalf("got %.200q, want the connection to be closed", data)
			}
			continue
		}
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			w.t.Fatal("the connection was not closed")
		}
		var closed *websocket.CloseError
		if errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure {
			return closed.Code
		}
		return -1
	}
}
