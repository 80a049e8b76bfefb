package recv

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// Read is conn.Read for a stream socket, whose descriptor raw is: it waits until something
// arrives or the connection's deadline for reads passes, and returns io.EOF at the end. Other
// errors are those of conn.Read. Where raw is nil it is conn.Read itself. It may be called
// from any goroutine.
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
	return result(conn, n, callErr, err)
}

// result is what Read returns: n bytes, or how recvfrom(2) or waiting for it failed.
func result(conn net.Conn, n int, callErr, waitErr error) (int, error) {
	var of *net.OpError
	switch {
	case errors.As(waitErr, &of): // the deadline, or the connection was closed
		of.Op = "read"
		return 0, waitErr
	case waitErr != nil:
		return 0, waitErr
	case callErr == nil || callErr == io.EOF:
		return n, callErr
	}
	return 0, &net.OpError{
		Op: "read", Net: conn.LocalAddr().Network(), Source: conn.LocalAddr(), Addr: conn.RemoteAddr(),
		Err: os.NewSyscallError("recvfrom", callErr),
	}
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
		n, errno := recvfrom(fd, b)
		switch {
		case errno == syscall.EINTR:
		case errno == syscall.EAGAIN:
			return 0, nil, false
		case errno != 0:
			return 0, errno, true
		case n == 0:
			return 0, io.EOF, true
		default:
			return n, nil, true
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
