package postgres

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"
)

// links returns a link and the server's end of its connection.
func links(t *testing.T) (l *link, server net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := ln.Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}()
	s := new(Source)
	dial, last := s.dialer((&net.Dialer{}).DialContext)
	conn, err := dial(t.Context(), "tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server = <-accepted
	t.Cleanup(func() { _ = conn.Close(); _ = server.Close() })
	return last.Load(), server
}

// TestLinkGathers: however small the pieces in which a server sends, reads that
// take all there is come no oftener than one each readEvery and readsAhead more;
// and nothing is lost or changed by it.
func TestLinkGathers(t *testing.T) {
	l, server := links(t)
	const pieces, size = 20_000, 16
	go func() {
		defer server.Close()
		var b [size]byte
		for i := range pieces {
			b[0], b[1], b[2] = byte(i), byte(i>>8), byte(i>>16)
			if _, err := server.Write(b[:]); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	buf, got := make([]byte, 64<<10), []byte(nil)
	began, reads := time.Now(), 0
	for {
		n, err := l.Read(buf)
		got = append(got, buf[:n]...)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		reads++
	}
	most := int(time.Since(began)/readEvery) + readsAhead + 2
	t.Logf("%d reads of %d pieces, at most %d", reads, pieces, most)
	if l.pacer.socket != nil && reads > most {
		t.Errorf("%d reads where %d are allowed", reads, most)
	}
	if len(got) != pieces*size {
		t.Fatalf("%d bytes arrived of %d", len(got), pieces*size)
	}
	for i := range pieces {
		if p := got[i*size:]; int(p[0])|int(p[1])<<8|int(p[2])<<16 != i {
			t.Fatalf("piece %d is not what was sent", i)
		}
	}
}

// TestLinkReadsWhatIsLittle: after a flood, a single byte still comes: the
// socket is not left to gather.
func TestLinkReadsWhatIsLittle(t *testing.T) {
	l, server := links(t)
	buf := make([]byte, 64)
	for i := range 100 {
		if _, err := server.Write([]byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
		if err := l.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if n, err := l.Read(buf); err != nil || n != 1 || buf[0] != byte(i) {
			t.Fatalf("byte %d: read %d, %v", i, n, err)
		}
	}
}

// TestLinkIsWokenWhileItGathers: wake ends the reading of a stream that never pauses.
func TestLinkIsWokenWhileItGathers(t *testing.T) {
	l, server := links(t)
	l.timeout.Store(int64(time.Minute))
	var stopped atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !stopped.Load() {
			if _, err := server.Write([]byte("a row")); err != nil {
				return
			}
		}
	}()
	buf := make([]byte, 1<<20)
	for i := 0; ; i++ {
		if i == 50 {
			l.interrupt()
		}
		if _, err := l.Read(buf); err != nil {
			if i < 50 || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("read %d: %v", i, err)
			}
			break
		}
		if i > 50 {
			t.Fatal("an interrupted link read on")
		}
	}
	stopped.Store(true)
	_ = server.Close()
	<-done
}
