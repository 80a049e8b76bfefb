package recv

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// Read is conn.Read for a stream socket, whose descriptor raw is: it waits until something
// arrives or the connection's deadline for reads passes, and returns io.EOF at the end. An
// error is a [*net.OpError] without addresses. Where raw is nil it is conn.Read itself. It
// may be called from any goroutine.
func Read(conn net.Conn, raw syscall.RawConn, b []byte) (int, error) {
	if raw == nil || len(b) == 0 {
		return conn.Read(b)
	}
	c := calls.Get().(*call)
	c.b = b
	err := raw.Read(c.do)
	n, callErr := c.n, c.err
	c.b, c.err = nil, nil
	calls.Put(c)
	if err != nil { // the deadline, or the connection was closed
		return 0, err
	}
	return n, callErr
}

// call is one recvfrom(2). do is bound once: a closure for each call would be allocated.
type call struct {
	b   []byte
	n   int
	err error
	do  func(fd uintptr) (done bool)
}

var calls = sync.Pool{New: func() any {
	c := &call{}
	c.do = c.receive
	return c
}}

func (c *call) receive(fd uintptr) (done bool) {
	c.n, c.err, done = receive(fd, c.b)
	return done
}

// receive reads what has arrived; done is false if nothing has.
func receive(fd uintptr, b []byte) (n int, err error, done bool) {
	for {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), syscall.MSG_DONTWAIT, 0, 0)
		switch {
		case errno == syscall.EINTR:
		case errno == syscall.EAGAIN:
			return 0, nil, false
		case errno != 0:
			return 0, &net.OpError{Op: "read", Net: "socket", Err: os.NewSyscallError("recvfrom", errno)}, true
		case n == 0:
			return 0, io.EOF, true
		default:
			return int(n), nil, true
		}
	}
}

// descriptor returns that of a connection, nil where there is none.
func descriptor(conn net.Conn) syscall.RawConn {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}
