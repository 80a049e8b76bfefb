package cluster

import (
	"bytes"
	"errors"
	"net"
	"os"
	"syscall"

	"chatbridge/internal/recv"
)

// closingConn is a connection that remembers an error reply of the server. If the server then
// closes the connection, as when it has too many clients, that reply is the error instead of
// EOF. One goroutine uses it at a time.
type closingConn struct {
	*recv.Prompt
	said  []byte
	spoke bool
}

var _ syscall.Conn = (*closingConn)(nil) // the library checks whether it is still open

// maxWords bounds what is remembered.
const maxWords = 512

// closingError is what a server said before it closed the connection.
type closingError struct {
	text string
	err  error
}

func (e *closingError) Error() string { return e.text }
func (e *closingError) Unwrap() error { return e.err }

// Read implements net.Conn.
func (c *closingConn) Read(b []byte) (int, error) {
	n, err := c.Prompt.Read(b)
	if n > 0 && !c.spoke {
		c.spoke = true
		if b[0] == '-' {
			line, _, _ := bytes.Cut(b[1:min(n, maxWords)], []byte("\r"))
			c.said = bytes.Clone(line)
		}
	}
	return n, c.why(err)
}

// Write implements net.Conn.
func (c *closingConn) Write(b []byte) (int, error) {
	n, err := c.Prompt.Write(b)
	if err != nil && !c.spoke && !errors.Is(err, os.ErrDeadlineExceeded) {
		_, _ = c.Read(make([]byte, maxWords)) // reads what arrived before the close; does not block
	}
	return n, c.why(err)
}

func (c *closingConn) why(err error) error {
	if timeout, ok := err.(net.Error); err == nil || c.said == nil || ok && timeout.Timeout() {
		return err
	}
	return &closingError{string(c.said), err}
}
