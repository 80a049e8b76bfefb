package engineio

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// TestTrySecure: what is written to a TLS connection at once arrives whole; nothing is
// begun for a client that does not read, or that is large; and it goes on once the client
// has read.
func TestTrySecure(t *testing.T) {
	ws, client := securePair(t)
	s := newSender()
	chunk := bytes.Repeat([]byte("x"), secureAtOnce)
	if n, err := s.trySecure(ws, append(chunk, 'x')); n != 0 || err != nil {
		t.Errorf("wrote %d bytes of what is large, %v", n, err)
	}
	written := 0
	for began := time.Now(); ; {
		n, err := s.trySecure(ws, chunk)
		if err != nil {
			t.Fatalf("after %d bytes, %v: %v", written, time.Since(began), err) // it has waited
		}
		if n == 0 {
			break
		}
		if written += n; written > 64<<20 {
			t.Fatal("a client that does not read takes 64 MiB")
		}
	}
	if written == 0 {
		t.Fatal("a connection with nothing to send takes nothing")
	}
	got, err := io.ReadAll(io.LimitReader(client, int64(written)))
	if err != nil || !bytes.Equal(got, bytes.Repeat([]byte("x"), written)) {
		t.Fatalf("read %d of %d bytes: %v", len(got), written, err)
	}
	// The kernel says so once it has what the client acknowledged.
	for n := 0; n == 0; {
		if n, err = s.trySecure(ws, []byte("more")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.ReadFull(client, got[:4]); err != nil || string(got[:4]) != "more" {
		t.Errorf("read %q, %v", got[:4], err)
	}
}

// securePair is a connection of a server's that is TLS, and its client.
func securePair(t *testing.T) (*wsConn, net.Conn) {
	t.Helper()
	accepted := make(chan net.Conn, 1)
	web := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}))
	t.Cleanup(web.Close)
	client, err := tls.Dial("tcp", web.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	if _, err := io.WriteString(client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	ws := &wsConn{Conn: <-accepted}
	t.Cleanup(func() { _ = ws.Conn.Close() })
	ws.findDescriptor()
	if ws.raw != nil || ws.below == nil {
		t.Fatal("it is not TLS over TCP")
	}
	return ws, client
}
