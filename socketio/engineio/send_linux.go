package engineio

import (
	"net"
	"syscall"
	"unsafe"
)

// sender sends on connections without waiting. It belongs to one goroutine.
//
// It makes the system call without telling Go's scheduler (syscall.RawSyscall6),
// which matters because a write for one frame and nothing else is most of what the
// server does: see docs/hot-path.md. That is allowed for a call that cannot block.
type sender struct {
	data  []byte
	n     int
	errno syscall.Errno
	call  func(fd uintptr) bool // send, bound once: a closure for each call would be allocated
}

func newSender() *sender {
	s := &sender{}
	s.call = s.send
	return s
}

// trySend sends as much of data as the kernel takes at once, perhaps nothing.
func (s *sender) trySend(c *wsConn, data []byte) (int, error) {
	if len(data) == 0 {
		return 0, nil
	}
	s.data = data
	err := c.raw.Write(s.call)
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

// send is send(2); true tells RawConn.Write not to wait and call it again.
func (s *sender) send(fd uintptr) bool {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, fd, uintptr(unsafe.Pointer(&s.data[0])),
		uintptr(len(s.data)), syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, 0, 0)
	s.n, s.errno = int(n), errno
	return true
}

// findDescriptor sets raw for a connection that has a descriptor of its own.
func (c *wsConn) findDescriptor() {
	tcp, ok := c.Conn.(*net.TCPConn)
	if !ok {
		return
	}
	if raw, err := tcp.SyscallConn(); err == nil { // else it is closed
		c.raw = raw
	}
}
