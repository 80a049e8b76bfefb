package cluster

import (
	"bytes"
	"net"
	"syscall"
)

// lastWords is a connection that remembers the error with which the server began to answer:
// where it closes the connection after that, as when it has too many, the error is that one,
// and not that there is no connection any more. One goroutine uses it at a time.
type lastWords struct {
	*net.TCPConn
	said  []byte
	spoke bool
}

var _ syscall.Conn = (*lastWords)(nil) // the library looks whether it is still open

// maxWords bounds what is remembered.
const maxWords = 512

// saidError is what a server said before it closed the connection.
type saidError struct {
	text string
	err  error
}

func (e *saidError) Error() string { return e.text }
func (e *saidError) Unwrap() error { return e.err }

// Read implements net.Conn.
func (c *lastWords) Read(b []byte) (int, error) {
	n, err := c.TCPConn.Read(b)
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
func (c *lastWords) Write(b []byte) (int, error) {
	n, err := c.TCPConn.Write(b)
	if err != nil && !c.spoke {
		_, _ = c.Read(make([]byte, maxWords)) // what came before the end; it does not wait
	}
	return n, c.why(err)
}

func (c *lastWords) why(err error) error {
	if timeout, ok := err.(net.Error); err == nil || c.said == nil || ok && timeout.Timeout() {
		return err
	}
	return &saidError{string(c.said), err}
}
