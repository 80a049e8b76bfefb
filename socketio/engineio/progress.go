package engineio

import (
	"context"
	"net"
	"sync"
	"time"
)

// progress keeps a write to a client from timing out as long as the client takes what
// was written before. The kernel has up to some megabytes of that, and takes no more
// until a third of it is free: on a line of 50 kB/s that is longer than WriteTimeout.
// So what counts is what the client's side has acknowledged.
type progress struct {
	session *Session
	conn    net.Conn
	set     func(time.Time) error // the deadline of the write

	mu    sync.Mutex
	acked uint64 // at the last check
	timer *time.Timer
	ended bool // the write has, and the kernel has the rest
}

// watchProgress extends the deadline of a write, from now on until end is called, and
// notes for the heartbeat when the client took something, until it has all. On a
// connection of which nothing is known, which may be nil, it does nothing.
func (s *Session) watchProgress(conn net.Conn, set func(time.Time) error) *progress {
	p := &progress{session: s, conn: conn, set: set}
	if conn != nil {
		p.mu.Lock()
		p.timer = time.AfterFunc(p.interval(), p.check)
		p.mu.Unlock()
	}
	return p
}

// interval is the time between two checks, of which some must be within each of the
// timeouts that follow from them.
func (p *progress) interval() time.Duration {
	server := p.session.server
	return max(min(server.limits.Load().WriteTimeout, server.opts.PingTimeout)/4, time.Millisecond)
}

func (p *progress) check() {
	p.mu.Lock()
	defer p.mu.Unlock()
	acked, waiting, ok := outbound(p.conn)
	if !ok || p.ended && (waiting == 0 || acked == p.acked) {
		return
	}
	if acked > p.acked { // the first check extends the deadline as well, once
		if !p.ended {
			_ = p.set(time.Now().Add(p.session.server.limits.Load().WriteTimeout))
		}
		p.session.mu.Lock()
		p.session.beat.lastTaken = p.session.server.now()
		p.session.mu.Unlock()
	}
	p.acked = acked
	p.timer.Reset(p.interval())
}

// end ends the deadline.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	if _, waiting, ok := outbound(p.conn); p.timer != nil && (!ok || waiting == 0) {
		p.timer.Stop()
	}
	_ = p.set(time.Time{})
}

// connKey is the key of a request's connection in its context.
type connKey struct{}

// ConnContext is for http.Server.ConnContext, or to be called by it: without it a
// polling client that is slow to read a large answer is closed after WriteTimeout
// although it reads.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// connOf returns a request's connection, or nil.
func connOf(ctx context.Context) net.Conn {
	c, _ := ctx.Value(connKey{}).(net.Conn)
	return c
}
