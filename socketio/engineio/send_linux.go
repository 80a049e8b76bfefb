package engineio

import (
	"net"
	"syscall"
)

// sender sends on connections without waiting. It belongs to one goroutine.
type sender struct {
	data  []byte
	n     int
	errno syscall.Errno
	call  func(fd uintptr) bool // write, bound once: a closure for each call would be allocated
}

func newSender() *sender {
	s := &sender{}
	s.call = s.write
	return s
}

// trySend sends as much of data as the kernel takes at once, perhaps nothing.
func (s *sender) trySend(raw syscall.RawConn, data []byte) (int, error) {
	if len(data) == 0 {
		return 0, nil
	}
	s.data = data
	err := raw.Write(s.call)
	s.data = nil
	switch {
	case err != nil:
		return 0, err
	case s.errno == syscall.EAGAIN || s.errno == syscall.EINTR:
		return 0, nil
	case s.errno != 0:
		return 0, s.errno
	}
	return s.n, nil
}

// write returns true, so that RawConn.Write does not wait and call it again.
func (s *sender) write(fd uintptr) bool {
	s.n, s.errno = send(fd, s.data)
	return true
}

// findDescriptor sets raw for a connection that has a descriptor of its own, or wire for
// one that is TLS.
func (c *wsConn) findDescriptor() {
	tcp, ok := c.Conn.(*net.TCPConn)
	if !ok {
		c.wire = wireBelow(c.Conn)
		return
	}
	if raw, err := tcp.SyscallConn(); err == nil { // else it is closed
		c.raw = raw
	}
}
