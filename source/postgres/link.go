package postgres

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"chatbridge/internal/recv"
)

// link is the replication connection's socket, below TLS: a read on which
// nothing arrives for timeout fails, and one that is running can be interrupted.
// It sets the deadline once per read of the socket, which is once per some
// hundred rows on a busy stream.
type link struct {
	net.Conn
	// timeout in nanoseconds bounds a read; 0 leaves deadlines alone.
	timeout atomic.Int64
	// interrupted makes reads fail at once.
	interrupted atomic.Bool
	received    *atomic.Uint64

	// The rest is the reader's.
	pacer   readPacer
	drained bool // the last read took all there was
}

// past is a deadline that has passed.
var past = time.Unix(1, 0)

func (l *link) Read(b []byte) (int, error) {
	if l.drained {
		if err := l.pacer.wait(); err != nil {
			return 0, err
		}
	}
	if d := l.timeout.Load(); d > 0 {
		if err := l.SetReadDeadline(time.Now().Add(time.Duration(d))); err != nil {
			return 0, err
		}
		// After the deadline, so that interrupt's own either comes later or is
		// seen here.
		if l.interrupted.Load() {
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

// interrupt makes the running read and all later ones fail with a time-out. A
// read that fails so loses no byte. It may be called from any goroutine.
func (l *link) interrupt() {
	l.interrupted.Store(true)
	_ = l.SetReadDeadline(past)
}

// resume ends an interrupt; reads then have at most d each.
func (l *link) resume(d time.Duration) {
	l.interrupted.Store(false)
	l.timeout.Store(int64(d))
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
		prompt := recv.NewPrompt(conn)
		l := &link{Conn: prompt, received: &s.counters.bytes, pacer: newReadPacer(prompt)}
		last.Store(l)
		return l, nil
	}, &last
}
