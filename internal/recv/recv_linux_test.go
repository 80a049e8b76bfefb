package recv_test

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"chatbridge/internal/recv"
)

// pair returns the two ends of a TCP connection, and the descriptor of the first.
func pair(t testing.TB) (conn *net.TCPConn, raw syscall.RawConn, other *net.TCPConn) {
	t.Helper()
	conn, other = recv.Pair(t)
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	return conn, raw, other
}

// TestRead: what arrives is read, at once or when it comes, and the end is io.EOF.
func TestRead(t *testing.T) {
	conn, raw, other := pair(t)
	b := make([]byte, 3)
	if n, err := recv.Read(conn, raw, nil); n != 0 || err != nil {
		t.Errorf("no bytes asked for: %d, %v", n, err)
	}
	if _, err := other.Write([]byte("abcde")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"abc", "de"} {
		if n, err := recv.Read(conn, raw, b); err != nil || string(b[:n]) != want {
			t.Errorf("read %q, %v; want %q", b[:n], err, want)
		}
	}
	got := make(chan string)
	go func() {
		n, err := recv.Read(conn, raw, b)
		if err != nil {
			t.Error(err)
		}
		got <- string(b[:n])
	}()
	if _, err := other.Write([]byte("f")); err != nil {
		t.Fatal(err)
	}
	if s := <-got; s != "f" {
		t.Errorf("read %q while waiting", s)
	}
	_ = other.CloseWrite()
	for range 2 {
		if n, err := recv.Read(conn, raw, b); n != 0 || err != io.EOF {
			t.Errorf("at the end: %d, %v", n, err)
		}
	}
}

// TestReadEnds: a deadline, a reset and the connection's own end are told as a net.Conn
// tells of them, and a deadline costs no byte.
func TestReadEnds(t *testing.T) {
	conn, raw, other := pair(t)
	b := make([]byte, 8)
	if err := conn.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	var timeout net.Error
	if _, err := recv.Read(conn, raw, b); !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() || timeout.(*net.OpError).Op != "read" {
		t.Errorf("past the deadline: %v", err)
	}
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if n, err := recv.Read(conn, raw, b); n != 1 || err != nil {
		t.Errorf("after the deadline: %d, %v", n, err)
	}
	_ = other.SetLinger(0)
	_ = other.Close()
	var of *net.OpError
	if _, err := recv.Read(conn, raw, b); !errors.Is(err, syscall.ECONNRESET) || !errors.As(err, &of) || of.Op != "read" || of.Addr == nil {
		t.Errorf("after a reset: %v", err)
	}
	_ = conn.Close()
	if _, err := recv.Read(conn, raw, b); !errors.Is(err, net.ErrClosed) {
		t.Errorf("of a closed connection: %v", err)
	}
}

// TestReadWithoutDescriptor: it is the connection's own Read then.
func TestReadWithoutDescriptor(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	go func() { _, _ = theirs.Write([]byte("abc")); _ = theirs.Close() }()
	b := make([]byte, 8)
	if n, err := recv.Read(ours, nil, b); err != nil || string(b[:n]) != "abc" {
		t.Errorf("read %q, %v", b[:n], err)
	}
	if _, err := recv.Read(ours, nil, b); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

func BenchmarkRead(b *testing.B) {
	conn, raw, other := pair(b)
	for name, raw := range map[string]syscall.RawConn{"quiet": raw, "plain": nil} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			buf := make([]byte, 64)
			for b.Loop() {
				if _, err := other.Write(buf); err != nil {
					b.Fatal(err)
				}
				if _, err := recv.Read(conn, raw, buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
