package engineio

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// TestWireKeeps: nothing that is written to a TLS connection waits for its client, however
// much it is; what the kernel does not take is kept, and arrives whole and in order once it
// is flushed and the client reads.
func TestWireKeeps(t *testing.T) {
	ws, client := securePair(t)
	ws.wire.set(wireOwn)
	var want []byte
	write := func(b []byte) {
		t.Helper()
		if n, err := ws.wire.tryWrite(ws.Conn, b); n != len(b) || err != nil {
			t.Fatalf("after %d bytes: %d of %d, %v", len(want), n, len(b), err)
		}
		want = append(want, b...)
	}
	write([]byte("first"))
	if n := ws.wire.kept(); n != 0 {
		t.Errorf("%d bytes are kept of what the kernel takes", n)
	}
	for chunk := 1; ws.wire.kept() == 0; chunk++ {
		if write(bytes.Repeat([]byte{byte(chunk)}, 1000+chunk)); len(want) > 64<<20 {
			t.Fatal("a client that does not read takes 64 MiB")
		}
	}
	write(bytes.Repeat([]byte("large"), 100_000))
	write([]byte("last"))
	flushed := make(chan error, 1)
	go func() {
		ws.wire.set(wireWaits)
		for ws.wire.kept() > 0 {
			if err := ws.wire.flushSome(writeChunk); err != nil {
				flushed <- err
				return
			}
		}
		_, err := ws.Conn.Write([]byte(" and then"))
		flushed <- err
	}()
	want = append(want, " and then"...)
	got := make([]byte, len(want))
	if n, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("read %d of %d bytes, %v", n, len(want), err)
	}
	if err := <-flushed; err != nil {
		t.Error(err)
	}
}

// TestWireIsFull: what crypto/tls writes by itself, for a client that asks for new keys and
// does not read, is kept up to a bound, beside what the writer has written.
func TestWireIsFull(t *testing.T) {
	ws, _ := securePair(t)
	fill(t, ws, wireMost)
	before, answer := ws.wire.kept(), make([]byte, 1000)
	for written := 0; ; written += len(answer) {
		_, err := ws.wire.Write(answer)
		if errors.Is(err, errWireFull) {
			break
		}
		if err != nil || written > 64<<20 {
			t.Fatalf("after %d bytes: %v", written, err)
		}
	}
	if n := ws.wire.kept() - before; n > wireMost || n <= wireMost-len(answer) {
		t.Errorf("%d bytes are kept", n)
	}
}

// TestWireGoesOn: what is kept leaves with what is written next, once the client has read.
func TestWireGoesOn(t *testing.T) {
	ws, client := securePair(t)
	fill(t, ws, 1)
	go func() { _, _ = io.Copy(io.Discard, client) }()
	for began := time.Now(); ws.wire.kept() > 0; { // the kernel says so once the client has acknowledged
		if time.Since(began) > 20*time.Second {
			t.Fatalf("%d bytes are still kept", ws.wire.kept())
		}
		if _, err := ws.wire.tryWrite(ws.Conn, []byte("more")); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWireSaysGoodbyeWithoutWaiting: a close frame is not sent to a client that does not
// read, and the connection is closed at once, also while it is being written to.
func TestWireSaysGoodbyeWithoutWaiting(t *testing.T) {
	for _, reason := range []Reason{PingTimeout, RateLimit} {
		ws, _ := securePair(t)
		fill(t, ws, 10*writeChunk)
		if ws.sendCloseFrame(closeFrame(reason), time.Time{}) {
			t.Errorf("%v: a frame was sent that was kept", reason)
		}
		ws.wire.set(wireWaits)
		_ = ws.Conn.SetWriteDeadline(time.Now().Add(time.Hour))
		flushed := make(chan error, 1)
		go func() { flushed <- ws.wire.flushSome(10 * writeChunk) }()
		for len(flushed) == 0 { // it has begun: the lock is taken
			if !ws.wire.mu.TryLock() {
				break
			}
			ws.wire.mu.Unlock()
		}
		ws.closeFor(reason, false, false) // its own goodbye would wait for that flush, and it for the client
		if err := <-flushed; err == nil {
			t.Errorf("%v: a client that does not read was sent all", reason)
		}
	}
}

// fill writes to a client that does not read until at least so much is kept.
func fill(t *testing.T, ws *wsConn, least int) {
	t.Helper()
	ws.wire.set(wireOwn)
	for written := 0; ws.wire.kept() < least; {
		n, err := ws.wire.tryWrite(ws.Conn, make([]byte, 5000))
		if err != nil {
			t.Fatal(err)
		}
		if written += n; written > 64<<20 {
			t.Fatal("a client that does not read takes 64 MiB")
		}
	}
}

// TestWireWaitsWithFlush: a write that may wait writes what was kept first.
func TestWireWaitsWithFlush(t *testing.T) {
	ws, client := securePair(t)
	ws.wire.set(wireOwn)
	written := 0
	for ws.wire.kept() == 0 {
		n, err := ws.wire.tryWrite(ws.Conn, make([]byte, 5000))
		if err != nil {
			t.Fatal(err)
		}
		written += n
	}
	go func() {
		ws.wire.set(wireWaits)
		if _, err := ws.Conn.Write([]byte("end")); err != nil {
			t.Error(err)
		}
	}()
	got := make([]byte, written+3)
	if _, err := io.ReadFull(client, got); err != nil || string(got[written:]) != "end" {
		t.Errorf("read %q at the end, %v", got[written:], err)
	}
	if n := ws.wire.kept(); n != 0 {
		t.Errorf("%d bytes are still kept", n)
	}
}

// securePair is a connection of a server's that is TLS, and its client.
func securePair(t *testing.T) (*wsConn, net.Conn) {
	t.Helper()
	accepted := make(chan net.Conn, 1)
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}))
	web.Listener = wireListener{web.Listener}
	web.StartTLS()
	t.Cleanup(web.Close)
	client, err := tls.Dial("tcp", web.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	_ = client.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	ws := &wsConn{Conn: <-accepted}
	t.Cleanup(func() { _ = ws.Conn.Close() })
	ws.findDescriptor()
	if ws.raw != nil || ws.wire == nil {
		t.Fatal("it is not TLS over TCP")
	}
	return ws, client
}
