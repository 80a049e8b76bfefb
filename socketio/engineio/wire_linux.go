package engineio

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"syscall"

	"chatbridge/internal/recv"
)

// NewTLSListener is tls.NewListener for a Server's connections: they are written to in the
// writers' rounds as those without TLS are. The connections of another TLS listener each
// take a goroutine to be written to.
func NewTLSListener(l net.Listener, config *tls.Config) net.Listener {
	return tls.NewListener(wireListener{l}, config)
}

type wireListener struct{ net.Listener }

// Accept implements [net.Listener].
func (l wireListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if tcp, ok := conn.(*net.TCPConn); ok && err == nil {
		if raw, e := tcp.SyscallConn(); e == nil { // else it is closed
			return &wire{Conn: tcp, raw: raw}, nil
		}
	}
	return conn, err
}

// wire is a TCP connection below TLS. What crypto/tls has begun to write must be ended, and
// so that no writer waits for a client, a wire keeps what the kernel does not take and says
// that it is written. It leaves before what is written next, or is flushed.
//
// crypto/tls calls Write once at a time, also for what it writes by itself: answers to
// key updates, and alerts.
type wire struct {
	net.Conn
	raw syscall.RawConn

	mu    sync.Mutex
	state wireState
	rest  []byte
	own   int // how much of rest was written in wireOwn, or more: it counts until all has left
}

// wireState is what Write does.
type wireState uint8

const (
	wireWaits wireState = iota // it waits, as that of any connection does
	wireKeeps                  // it keeps what the kernel does not take
	wireOwn                    // the same, for what crypto/tls writes by itself: wireMost of it
)

// wireMost bounds what is kept of what crypto/tls writes by itself, for a client that asks
// for new keys and reads nothing.
const wireMost = 64 << 10

var errWireFull = errors.New("the client asks for new keys and reads nothing")

// SyscallConn implements [syscall.Conn].
func (c *wire) SyscallConn() (syscall.RawConn, error) { return c.raw, nil }

// Read implements [net.Conn].
func (c *wire) Read(b []byte) (int, error) { return recv.Read(c.Conn, c.raw, b) }

// Write implements [net.Conn].
func (c *wire) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == wireWaits {
		if err := c.flush(len(c.rest)); err != nil {
			return 0, err
		}
		return c.Conn.Write(b)
	}
	n, err := c.offer(b)
	if err != nil {
		return 0, err
	}
	left := b[n:]
	if c.state == wireOwn {
		if c.own += len(left); c.own > wireMost {
			return 0, errWireFull
		}
	}
	c.rest = append(c.rest, left...)
	return len(b), nil
}

// offer writes what the kernel takes at once: first of what is kept, then of b, and returns
// how much that is of b. mu is held.
func (c *wire) offer(b []byte) (int, error) {
	s := wireSenders.Get().(*sender)
	defer wireSenders.Put(s)
	n, err := s.trySend(c.raw, c.rest)
	if c.took(n); err != nil || len(c.rest) > 0 {
		return 0, err
	}
	return s.trySend(c.raw, b)
}

var wireSenders = sync.Pool{New: func() any { return newSender() }}

// flush writes n bytes of what is kept, and waits until they are. mu is held.
func (c *wire) flush(n int) error {
	if n == 0 {
		return nil
	}
	n, err := c.Conn.Write(c.rest[:n])
	c.took(n)
	return err
}

// took notes that the kernel has n bytes of what was kept. mu is held.
func (c *wire) took(n int) {
	if c.rest = c.rest[n:]; len(c.rest) == 0 {
		c.rest, c.own = nil, 0
	}
}

// flushSome writes most bytes at most of what is kept, and waits until they are written or
// the connection's deadline has passed.
func (c *wire) flushSome(most int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flush(min(most, len(c.rest)))
}

// kept is how many bytes the kernel has not taken yet. On nil it is none.
func (c *wire) kept() int {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.rest)
}

// set has Write do so from now on. It waits for a Write that waits, whose deadline must
// therefore stand. On nil it does nothing.
func (c *wire) set(state wireState) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state = state
}

// tryWrite writes data to the TLS connection above c. What the kernel does not take is kept.
func (c *wire) tryWrite(secure net.Conn, data []byte) (int, error) {
	c.set(wireKeeps)
	defer c.set(wireOwn)
	return secure.Write(data)
}

// cut closes the connection below TLS, which would say goodbye first and wait for a client
// that reads nothing. With reset, what the kernel has not sent is dropped. On nil it does
// nothing.
func (c *wire) cut(reset bool) {
	if c == nil {
		return
	}
	if tcp, ok := c.Conn.(*net.TCPConn); ok && reset {
		_ = tcp.SetLinger(0)
	}
	_ = c.Conn.Close()
}

// wireBelow returns that of a TLS connection, nil for another connection.
func wireBelow(conn net.Conn) *wire {
	if secure, ok := conn.(interface{ NetConn() net.Conn }); ok {
		w, _ := secure.NetConn().(*wire)
		return w
	}
	return nil
}
