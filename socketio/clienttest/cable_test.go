package clienttest_test

import (
	"io"
	"net"
	"sync"
	"testing"
)

// cable is a TCP proxy that can be cut, at either side: connections are reset,
// whatever was under way in them, and the other side does not notice.
type cable struct {
	t      *testing.T
	ln     net.Listener
	target string
	all    sync.WaitGroup

	mu   sync.Mutex
	in   map[*net.TCPConn]struct{} // from the clients
	out  map[*net.TCPConn]struct{} // to the server
	down bool
}

func startCable(t *testing.T, target string) *cable {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{t: t, ln: ln, target: target, in: map[*net.TCPConn]struct{}{}, out: map[*net.TCPConn]struct{}{}}
	c.all.Go(c.accept)
	t.Cleanup(func() {
		_ = ln.Close()
		c.mu.Lock()
		c.down = true
		c.mu.Unlock()
		c.cutServer()
		c.cutClients()
		c.all.Wait()
	})
	return c
}

func (c *cable) url() string { return "http://" + c.ln.Addr().String() }

func (c *cable) accept() {
	for {
		in, err := c.ln.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", c.target)
		if err != nil {
			_ = in.Close()
			continue
		}
		a, b := in.(*net.TCPConn), out.(*net.TCPConn)
		if !c.add(a, b) {
			return
		}
		c.all.Go(func() { c.copy(a, b) })
		c.all.Go(func() { c.copy(b, a) })
	}
}

func (c *cable) add(in, out *net.TCPConn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		_ = in.Close()
		_ = out.Close()
		return false
	}
	c.in[in], c.out[out] = struct{}{}, struct{}{}
	return true
}

// copy forwards until either side ends. The other is left open: a network that
// has gone says nothing.
func (c *cable) copy(dst, src *net.TCPConn) { _, _ = io.Copy(dst, src) }

// cutServer resets the connections to the server, cutClients those of the
// clients. New ones may be made at once.
func (c *cable) cutServer() { c.cut(c.out) }

func (c *cable) cutClients() { c.cut(c.in) }

func (c *cable) cut(side map[*net.TCPConn]struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range side {
		_ = conn.SetLinger(0)
		_ = conn.Close()
	}
	clear(side)
}
