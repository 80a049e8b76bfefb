package postgres

import (
	"context"
	"net"
	"sync/atomic"
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
}

// long ago, as net.Conn takes it for "now".
var past = time.Unix(1, 0)

func (l *link) Read(b []byte) (int, error) {
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
		l := &link{Conn: conn, received: &s.counters.bytes}
		last.Store(l)
		return l, nil
	}, &last
}
