package postgres

import (
	"context"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// link is a network connection that fails a read on which nothing arrives for
// a while, and that can be woken from one. Below TLS, if there is any. It
// sets the deadline once per read of the socket, which is once per some
// hundred rows on a busy stream.
type link struct {
	net.Conn
	// patience in nanoseconds bounds a read; 0 leaves deadlines alone.
	patience atomic.Int64
	// woken makes reads fail at once.
	woken    atomic.Bool
	received *atomic.Uint64

	// socket is the connection's, nil if it has none that can be asked to wait
	// for more. The rest is the reader's.
	socket  syscall.RawConn
	drained bool          // the last read took all there was
	paced   time.Duration // since began, the time up to which reads have been paid for
	began   time.Time
}

// The server sends each row by itself, and each send wakes a reader that waits:
// both then do little else, and a stream that has fallen behind stays there
// (measured on two busy cores: at 24,000 rows a second, with half of the time in
// wake-ups). So a read that has to wait is earned, by readEvery of time, and
// until then the socket gathers. readsAhead of them may be saved up: what comes
// now and then is read at once.
const (
	readEvery  = time.Millisecond
	readsAhead = 8
	gatherMost = 256 << 10 // bytes; then the reader is woken all the same
)

// earn lets the socket gather until another read is earned.
func (l *link) earn() error {
	now := time.Since(l.began)
	l.paced = max(l.paced, now-readsAhead*readEvery) + readEvery
	if l.paced <= now {
		return nil
	}
	if err := setLowWater(l.socket, gatherMost); err != nil {
		l.socket = nil // it works without
		return nil
	}
	time.Sleep(l.paced - now)
	return setLowWater(l.socket, 1)
}

// long ago, as net.Conn takes it for "now".
var past = time.Unix(1, 0)

func (l *link) Read(b []byte) (int, error) {
	if l.drained && l.socket != nil {
		if err := l.earn(); err != nil {
			return 0, err
		}
	}
	if d := l.patience.Load(); d > 0 {
		if err := l.SetReadDeadline(time.Now().Add(time.Duration(d))); err != nil {
			return 0, err
		}
		// After the deadline, so that wake's own either comes later or is
		// seen here.
		if l.woken.Load() {
			if err := l.SetReadDeadline(past); err != nil {
				return 0, err
			}
		}
	}
	n, err := l.Conn.Read(b)
	l.drained = n < len(b)
	l.received.Add(uint64(n))
	return n, err
}

// wake makes the running read and all later ones fail with a time-out. A read
// that fails so loses no byte. It may be called from any goroutine.
func (l *link) wake() {
	l.woken.Store(true)
	_ = l.SetReadDeadline(past)
}

// rest lets reads go on after wake, each for at most d.
func (l *link) rest(d time.Duration) {
	l.woken.Store(false)
	l.patience.Store(int64(d))
}

// dialer returns a dial function that makes links, and where to find the last
// one that it made.
func (s *Source) dialer(dial pgconn.DialFunc) (pgconn.DialFunc, *atomic.Pointer[link]) {
	var last atomic.Pointer[link]
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		l := &link{Conn: conn, received: &s.counters.bytes, began: time.Now()}
		if c, ok := conn.(syscall.Conn); ok {
			l.socket, _ = c.SyscallConn() // nil if there is none
		}
		last.Store(l)
		return l, nil
	}, &last
}
