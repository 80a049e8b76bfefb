package engineio

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// secureAtOnce is about how much the kernel takes at once of a TLS connection that
	// it says is writable. It says so while a third of the send buffer is free, which
	// is of 16 KiB or more; a write of this size is three records at most, of some
	// 1.3 KiB beside their bytes.
	secureAtOnce = 1 << 10
	// secureWait is how long a write may wait all the same, where the system lacks
	// memory for sockets. It would be the writer that waits.
	secureWait = time.Second
)

// trySecure writes data to a TLS connection if that does not wait: all of it, or none. A
// write that crypto/tls begins has to be ended, so what is large is not tried.
func (s *sender) trySecure(c *wsConn, data []byte) (int, error) {
	if len(data) > secureAtOnce || !s.writable(c.below) {
		return 0, nil
	}
	_ = c.Conn.SetWriteDeadline(time.Now().Add(secureWait))
	n, err := c.Conn.Write(data)
	_ = c.Conn.SetWriteDeadline(time.Time{})
	return n, err
}

// writable asks the kernel whether a connection is.
func (s *sender) writable(raw syscall.RawConn) bool {
	s.poll[0] = unix.PollFd{Events: unix.POLLOUT}
	return raw.Control(s.ask) == nil && s.poll[0].Revents == unix.POLLOUT
}

func (s *sender) pollOut(fd uintptr) {
	s.poll[0].Fd = int32(fd)
	if _, err := unix.Poll(s.poll[:], 0); err != nil {
		s.poll[0].Revents = 0
	}
}

// findBelow sets below for a connection that is TLS over TCP.
func (c *wsConn) findBelow() {
	secure, ok := c.Conn.(interface{ NetConn() net.Conn })
	if !ok {
		return
	}
	tcp, ok := secure.NetConn().(*net.TCPConn)
	if !ok {
		return
	}
	if raw, err := tcp.SyscallConn(); err == nil { // else it is closed
		c.below = raw
	}
}
