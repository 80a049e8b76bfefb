package failover

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Link forwards TCP connections to its address to the target, until they are cut
// or stalled.
// All methods are safe for concurrent use.
type Link struct {
	ln net.Listener

	mu      sync.Mutex
	target  string
	conns   map[*linked]struct{}
	stalled chan struct{} // closed at Resume; nil while forwarding
	ended   sync.WaitGroup
	bytes   atomic.Int64
}

// linked is one forwarded connection.
type linked struct{ client, server net.Conn }

// NewLink listens on a free port of 127.0.0.1 and forwards to target until the
// test ends.
func NewLink(t testing.TB, target string) *Link {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &Link{ln: ln, target: target, conns: make(map[*linked]struct{})}
	l.ended.Go(l.accept)
	t.Cleanup(func() {
		ln.Close()
		l.Resume()
		l.Cut(-1)
		l.ended.Wait()
	})
	return l
}

// Addr is where clients connect.
func (l *Link) Addr() string { return l.ln.Addr().String() }

// URL is Addr with http before it.
func (l *Link) URL() string { return "http://" + l.Addr() }

// Cut resets up to n connections chosen at random, all where n is negative, on
// both sides, and returns how many.
func (l *Link) Cut(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]*linked, 0, len(l.conns))
	for c := range l.conns {
		all = append(all, c)
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	if n >= 0 && n < len(all) {
		all = all[:n]
	}
	for _, c := range all {
		delete(l.conns, c)
		c.reset()
	}
	return len(all)
}

// Len is the number of open connections.
func (l *Link) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns)
}

// Bytes is how much it has forwarded so far, in both directions.
func (l *Link) Bytes() int64 { return l.bytes.Load() }

// Stall stops forwarding without closing anything, as a network that drops
// packets does: what is sent waits, neither side gets an error.
func (l *Link) Stall() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stalled == nil {
		l.stalled = make(chan struct{})
	}
}

// Resume forwards again, what waited first.
func (l *Link) Resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stalled != nil {
		close(l.stalled)
		l.stalled = nil
	}
}

// LeadTo forwards what connects from now on to another address.
func (l *Link) LeadTo(target string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.target = target
}

// pass waits until the link forwards.
func (l *Link) pass() {
	l.mu.Lock()
	stalled := l.stalled
	l.mu.Unlock()
	if stalled != nil {
		<-stalled
	}
}

func (l *Link) accept() {
	for {
		client, err := l.ln.Accept()
		if err != nil {
			return
		}
		l.ended.Go(func() { l.forward(client) })
	}
}

func (l *Link) forward(client net.Conn) {
	l.pass()
	l.mu.Lock()
	target := l.target
	l.mu.Unlock()
	server, err := net.DialTimeout("tcp", target, 5*time.Second)
	if err != nil {
		// As if the server had refused.
		client.(*net.TCPConn).SetLinger(0)
		client.Close()
		return
	}
	c := &linked{client, server}
	l.mu.Lock()
	l.conns[c] = struct{}{}
	l.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { l.copy(server, client) })
	l.copy(client, server)
	both.Wait()
	client.Close()
	server.Close()
	l.mu.Lock()
	delete(l.conns, c)
	l.mu.Unlock()
}

// copy forwards one direction to its end, and then closes the other side's.
func (l *Link) copy(dst, src net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := src.Read(buf)
		l.pass()
		l.bytes.Add(int64(n))
		if n > 0 {
			if _, werr := dst.Write(buf[:n]); werr != nil {
				err = werr
			}
		}
		if err == io.EOF {
			dst.(*net.TCPConn).CloseWrite()
			return
		}
		if err != nil {
			dst.Close()
			src.Close()
			return
		}
	}
}

func (c *linked) reset() {
	for _, conn := range []net.Conn{c.client, c.server} {
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}
}
