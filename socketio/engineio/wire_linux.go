package engineio

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
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
// that it is written. Whoever writes next writes that first.
//
// crypto/tls calls Write once at a time, also for what it writes by itself: answers to
// key updates, and alerts.
type wire struct {
	net.Conn
	raw   syscall.RawConn
	state atomic.Int32

	mu   sync.Mutex
	rest []byte
}

// The states of a wire.
const (
	wireWaits int32 = iota // Write waits, as that of any connection does
	wireKeeps              // Write keeps what the kernel does not take
	wireOwn                // the same, for what crypto/tls writes by itself: no more than wireMost
)

// wireMost bounds what is kept of a client that asks for new keys and reads none.
const wireMost = 64 << 10

var errWireFull = errors.New("the client reads nothing")

// SyscallConn implements [syscall.Conn].
func (c *wire) SyscallConn() (syscall.RawConn, error) { return c.raw, nil }

// Read implements [net.Conn].
func (c *wire) Read(b []byte) (int, error) { return recv.Read(c.Conn, c.raw, b) }

// Write implements [net.Conn].
func (c *wire) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	state := c.state.Load()
	switch {
	case state == wireWaits:
		if err := c.flush(len(c.rest)); err != nil {
			return 0, err
		}
		return c.Conn.Write(b)
	case state == wireOwn && len(c.rest) > wireMost:
		return 0, errWireFull
	}
	n := 0
	if len(c.rest) == 0 {
		s := wireSenders.Get().(*sender)
		defer wireSenders.Put(s)
		var err error
		if n, err = s.trySend(c.raw, b); err != nil {
			return 0, err
		}
	}
	c.rest = append(c.rest, b[n:]...)
	return len(b), nil
}

var wireSenders = sync.Pool{New: func() any { return newSender() }}

// flush writes n bytes of what is kept, and waits until they are. mu is held.
func (c *wire) flush(n int) error {
	if n == 0 {
		return nil
	}
	n, err := c.Conn.Write(c.rest[:n])
	if c.rest = c.rest[n:]; len(c.rest) == 0 {
		c.rest = nil
	}
	return err
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

// waits has Write wait, or else keep what is left. On nil it does nothing.
func (c *wire) waits(wait bool) {
	switch {
	case c == nil:
	case wait:
		c.state.Store(wireWaits)
	default:
		c.state.Store(wireOwn)
	}
}

// tryWrite writes data to the TLS connection above c. What the kernel does not take is kept.
func (c *wire) tryWrite(secure net.Conn, data []byte) (int, error) {
	c.state.Store(wireKeeps)
	defer c.state.Store(wireOwn)
	return secure.Write(data)
}

// wireBelow returns that of a TLS connection, nil for another connection.
func wireBelow(conn net.Conn) *wire {
	if secure, ok := conn.(interface{ NetConn() net.Conn }); ok {
		w, _ := secure.NetConn().(*wire)
		return w
	}
	return nil
}
