package recv

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"
)

// steppedConn tells of each deadline that is set on it.
type steppedConn struct {
	*net.TCPConn
	set chan time.Time
}

func (c *steppedConn) SetReadDeadline(t time.Time) error {
	err := c.TCPConn.SetReadDeadline(t)
	select {
	case c.set <- t:
	default: // nobody asks
	}
	return err
}

// Pair returns the two ends of a TCP connection, which end with the test.
func Pair(t testing.TB) (conn, other *net.TCPConn) {
	t.Helper()
	ln, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if conn, err = net.DialTCP("tcp4", nil, ln.Addr().(*net.TCPAddr)); err != nil {
		t.Fatal(err)
	}
	if other, err = ln.AcceptTCP(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(); _ = other.Close() })
	return conn, other
}

// prompts returns a Prompt in a process that is busy for as long as it is, or never, and
// the other end of its connection.
func prompts(t *testing.T, busy bool) (*Prompt, *steppedConn, *net.TCPConn) {
	t.Helper()
	c, other := Pair(t)
	stepped := &steppedConn{c, make(chan time.Time)}
	p := NewPrompt(stepped)
	if p.raw == nil {
		t.Fatal("it has no descriptor")
	}
	if busy {
		p.busyUntil = time.Now().Add(time.Hour)
	}
	return p, stepped, other
}

// TestPromptReads: what arrives is read, whether or not the process is busy, also after many
// steps; and the end is io.EOF.
func TestPromptReads(t *testing.T) {
	for _, busy := range []bool{false, true} {
		p, stepped, other := prompts(t, busy)
		b := make([]byte, 3)
		send := func(s string) {
			if _, err := other.Write([]byte(s)); err != nil {
				t.Error(err)
			}
		}
		send("abcde")
		for _, want := range []string{"abc", "de"} {
			if n, err := p.Read(b); err != nil || string(b[:n]) != want {
				t.Errorf("busy %v: read %q, %v; want %q", busy, b[:n], err, want)
			}
		}
		go func() {
			for i := 0; busy && i < 6; i++ {
				<-stepped.set // it waits in steps, and ends each one
			}
			send("f")
		}()
		if n, err := p.Read(b); err != nil || string(b[:n]) != "f" {
			t.Errorf("busy %v: read %q, %v; want f", busy, b[:n], err)
		}
		// No deadline of a step is left to whoever has the descriptor.
		time.Sleep(2 * promptStep)
		if err := p.raw.Read(func(uintptr) bool { return true }); err != nil {
			t.Errorf("busy %v: the descriptor cannot be read: %v", busy, err)
		}
		_ = other.CloseWrite()
		if n, err := p.Read(b); n != 0 || err != io.EOF {
			t.Errorf("busy %v: at the end %d, %v", busy, n, err)
		}
	}
}

// TestPromptDeadlines: the deadline that was set holds, however many steps there are, and
// so does one that is set while it reads.
func TestPromptDeadlines(t *testing.T) {
	for _, busy := range []bool{false, true} {
		p, stepped, other := prompts(t, busy)
		b := make([]byte, 3)
		exceeded := func(when string) {
			t.Helper()
			if _, err := p.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("busy %v, %s: %v", busy, when, err)
			}
		}
		_ = p.SetReadDeadline(time.Now().Add(20 * promptStep))
		exceeded("after some steps")
		_ = p.SetReadDeadline(time.Time{})
		go func() {
			for i := 0; busy && i < 4; i++ {
				<-stepped.set
			}
			_ = p.SetReadDeadline(time.Unix(1, 0))
		}()
		exceeded("while it read")
		exceeded("once more")
		_ = p.SetDeadline(time.Time{})
		if _, err := other.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if n, err := p.Read(b); n != 1 || err != nil {
			t.Errorf("busy %v: %d, %v after the deadlines", busy, n, err)
		}
		_ = p.Close()
		if _, err := p.Read(b); !errors.Is(err, net.ErrClosed) {
			t.Errorf("busy %v: %v of a closed connection", busy, err)
		}
	}
}

// TestPromptNoticesThatTheProcessIsBusy.
func TestPromptNoticesThatTheProcessIsBusy(t *testing.T) {
	p, _, _ := prompts(t, false)
	if p.step(); !p.busyUntil.IsZero() {
		t.Fatal("busy with one goroutine")
	}
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 4*promptBusy + runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					runtime.Gosched()
				}
			}
		})
	}
	for range 100_000 {
		if p.step(); !p.busyUntil.IsZero() {
			break
		}
		runtime.Gosched()
	}
	if p.busyUntil.IsZero() {
		t.Error("not busy with many goroutines that can run")
	}
	close(stop)
	all.Wait()
	if err := p.endStep(); err != nil || p.stepping {
		t.Errorf("the step has not ended: %v", err)
	}
}
