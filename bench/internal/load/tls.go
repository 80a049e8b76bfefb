//go:build linux

package load

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// securedConn is a connection whose TLS handshake has ended.
type securedConn struct {
	c   *conn
	err error
}

// secure begins the TLS handshake of a connection, on a goroutine: crypto/tls cannot
// interrupt one. Once it is done, reads do not block; crypto/tls goes on where a
// temporary error interrupted it.
func (g *Group) secure(c *conn) error {
	if err := g.await(c, 0); err != nil {
		return err
	}
	c.state = securing
	raw := &descriptor{fd: c.fd, blocks: true}
	c.tls = tls.Client(raw, g.o.TLS)
	g.securing++
	go func() {
		err := c.tls.Handshake()
		raw.blocks = false
		g.secured <- securedConn{c, err}
	}()
	return nil
}

// takeSecured goes on with the connections whose handshake has ended.
func (g *Group) takeSecured() {
	for g.securing > 0 {
		select {
		case s := <-g.secured:
			g.securing--
			err := s.err
			if err == nil {
				err = g.request(s.c)
			}
			if err != nil {
				g.end(s.c, err)
			}
		default:
			return
		}
	}
}

// readSecured reads all that a connection has: what crypto/tls has read already wakes
// nobody.
func (g *Group) readSecured(c *conn) error {
	for {
		k := copy(g.buf, c.carry)
		n, err := c.tls.Read(g.buf[k : k+readSize])
		if n > 0 {
			if err := g.handle(c, g.buf[:k+n]); err != nil {
				return err
			}
		}
		var temporary again
		switch {
		case errors.As(err, &temporary):
			return nil
		case errors.Is(err, io.EOF):
			return errEnded
		case err != nil:
			return err
		}
	}
}

// Resumed is how many of the connections resumed an earlier TLS session.
func (g *Group) Resumed() (n int) {
	for i := range g.conns {
		if c := &g.conns[i]; c.tls != nil && c.tls.ConnectionState().DidResume {
			n++
		}
	}
	return n
}

// descriptor is a non-blocking socket as a net.Conn.
type descriptor struct {
	fd int
	// blocks makes reads wait; owned by the goroutine that uses the connection.
	blocks bool
}

// again is the error of a read that would block.
type again struct{}

func (again) Error() string   { return "nothing to read yet" }
func (again) Timeout() bool   { return true }
func (again) Temporary() bool { return true }

func (d *descriptor) Read(b []byte) (int, error) {
	for {
		n, err := unix.Read(d.fd, b)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN) && !d.blocks:
			return 0, again{}
		case errors.Is(err, unix.EAGAIN):
			if err := d.wait(unix.POLLIN); err != nil {
				return 0, err
			}
		case err != nil:
			return 0, err
		case n == 0 && len(b) > 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

func (d *descriptor) Write(b []byte) (done int, err error) {
	for done < len(b) {
		n, err := unix.Write(d.fd, b[done:])
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			if err := d.wait(unix.POLLOUT); err != nil {
				return done, err
			}
		case err != nil:
			return done, err
		default:
			done += n
		}
	}
	return done, nil
}

// handshakeTimeout is how long a server may take for a step of the handshake.
const handshakeTimeout = 20 * time.Second

func (d *descriptor) wait(events int16) error {
	fds := []unix.PollFd{{Fd: int32(d.fd), Events: events}}
	n, err := unix.Poll(fds, int(handshakeTimeout.Milliseconds()))
	if err != nil && !errors.Is(err, unix.EINTR) {
		return err
	}
	if n == 0 && err == nil {
		return errors.New("no answer during the TLS handshake")
	}
	return nil
}

// The rest of a net.Conn is not asked for: the Group closes the descriptor itself.

func (d *descriptor) Close() error                     { return nil }
func (d *descriptor) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (d *descriptor) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (d *descriptor) SetDeadline(time.Time) error      { return nil }
func (d *descriptor) SetReadDeadline(time.Time) error  { return nil }
func (d *descriptor) SetWriteDeadline(time.Time) error { return nil }
