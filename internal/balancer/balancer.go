// Package balancer is a small load balancer of TCP connections, for the demo and for
// tests of several bridges: each new connection goes to the next server that is ready,
// without stickiness. It is no replacement of nginx, HAProxy or Caddy.
//
// A server that answers /readyz with 200 gets new connections. One that gives no answer
// twice loses those that it has, as HAProxy does with on-marked-down shutdown-sessions:
// their clients would otherwise wait for the heartbeat's time-out.
//
// Methods may be called from any goroutine. Run owns every goroutine that it starts.
package balancer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// Options say what to balance.
type Options struct {
	// Listen is host:port of its own.
	Listen string
	// Servers are host:port of the bridges.
	Servers []string
	// Interval is how often each is asked whether it is ready; zero: 250 ms.
	Interval time.Duration
}

const (
	defaultInterval = 250 * time.Millisecond
	// checkTimeout is how long a server may take to tell whether it is ready, and
	// unanswered how many checks in a row must fail before its connections are ended.
	checkTimeout = time.Second
	unanswered   = 2
	dialTimeout  = 2 * time.Second
)

// Balancer is one that listens. Run must be called, or Close.
type Balancer struct {
	ln      net.Listener
	every   time.Duration
	servers []*server

	mu   sync.Mutex
	next int
}

// server is guarded by Balancer.mu, but for addr.
type server struct {
	addr  string
	ready bool
	conns map[net.Conn]struct{}
}

// Listen returns a Balancer whose address is taken.
func Listen(o Options) (*Balancer, error) {
	ln, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for the load balancer: %w", err)
	}
	b := &Balancer{ln: ln, every: o.Interval}
	if b.every == 0 {
		b.every = defaultInterval
	}
	for _, addr := range o.Servers {
		b.servers = append(b.servers, &server{addr: addr, conns: make(map[net.Conn]struct{})})
	}
	return b, nil
}

// Addr is host:port where it listens.
func (b *Balancer) Addr() string { return b.ln.Addr().String() }

// Ready returns how many servers get new connections.
func (b *Balancer) Ready() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, s := range b.servers {
		if s.ready {
			n++
		}
	}
	return n
}

// Run balances until ctx ends, and returns nil when every connection is closed.
func (b *Balancer) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var running sync.WaitGroup
	defer running.Wait()
	for _, s := range b.servers {
		running.Go(func() { b.watch(ctx, s) })
	}
	running.Go(func() {
		<-ctx.Done()
		b.ln.Close()
	})
	for {
		conn, err := b.ln.Accept()
		if errors.Is(err, net.ErrClosed) || ctx.Err() != nil {
			return nil
		}
		if err != nil {
			continue // of one connection, or of a moment
		}
		running.Go(func() { b.serve(ctx, conn) })
	}
}

// watch asks a server whether it is ready, and closes its connections at the end.
func (b *Balancer) watch(ctx context.Context, s *server) {
	client := &http.Client{Timeout: checkTimeout, Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(b.every)
	defer tick.Stop()
	silent := 0
	for {
		ready, answered := check(ctx, client, s.addr)
		silent++
		if answered {
			silent = 0
		}
		b.mark(s, ready, silent >= unanswered)
		select {
		case <-ctx.Done():
			b.mark(s, false, true)
			return
		case <-tick.C:
		}
	}
}

// check asks a server once.
func check(ctx context.Context, client *http.Client, addr string) (ready, answered bool) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz", nil)
	if err != nil {
		return false, false
	}
	resp, err := client.Do(req)
	if err != nil {
		return false, false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK, true
}

// mark notes how a server is, and ends its connections where it is gone.
func (b *Balancer) mark(s *server, ready, gone bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.ready = ready
	if gone {
		for conn := range s.conns {
			conn.Close()
		}
	}
}

// serve forwards a connection to a server that is ready; where there is none, or none
// that takes it, it is closed.
func (b *Balancer) serve(ctx context.Context, client net.Conn) {
	defer client.Close()
	for range b.servers {
		s := b.choose()
		if s == nil {
			return
		}
		dialer := net.Dialer{Timeout: dialTimeout}
		conn, err := dialer.DialContext(ctx, "tcp", s.addr)
		if err != nil {
			b.mark(s, false, false)
			continue
		}
		b.forward(ctx, s, client, conn)
		return
	}
}

// choose returns the next server that is ready, nil for none.
func (b *Balancer) choose() *server {
	b.mu.Lock()
	defer b.mu.Unlock()
	for range b.servers {
		s := b.servers[b.next%len(b.servers)]
		b.next++
		if s.ready {
			return s
		}
	}
	return nil
}

// forward copies both ways until either side ends.
func (b *Balancer) forward(ctx context.Context, s *server, client, to net.Conn) {
	b.mu.Lock()
	s.conns[to] = struct{}{}
	b.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { to.Close() })
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(client, to)
		client.Close()
	})
	_, _ = io.Copy(to, client)
	to.Close()
	back.Wait()
	stop()
	b.mu.Lock()
	delete(s.conns, to)
	b.mu.Unlock()
}
