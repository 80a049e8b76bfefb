//go:build linux

package load

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"chatbridge/bench/internal/event"
)

// Options say which connections to make.
type Options struct {
	// Addr is the server's IPv4 address and port.
	Addr netip.AddrPort
	// Path is the request path with its query.
	Path string
	// Bare connections are joined when the WebSocket is open; others once an
	// Engine.IO open packet and a Socket.IO CONNECT have been exchanged.
	Bare bool
	// Auth is the payload of CONNECT, of at most 64 KiB; empty for none.
	Auth string
	// Prefix is what the packets that count begin with; empty counts all of
	// more than 256 bytes.
	Prefix string
	// Parse reads an event's number and when it was due, see [event.Now], from
	// the part of it that has been read; nil is [event.Parse].
	Parse func(packet []byte) (seq, due uint64, ok bool)
	// Clients is the number of connections, InFlight how many may be under way
	// at a time.
	Clients, InFlight int
}

// Group is a number of connections to one server. Close it.
type Group struct {
	o           Options
	epoll       int
	conns       []conn
	dialed      int // of conns, how many were begun
	joined      int
	ended       int
	joinedAt    time.Time
	firstErr    error
	connect     []byte // the frame of CONNECT
	prefix      []byte
	parse       func([]byte) (seq, due uint64, ok bool)
	buf         []byte
	events      [1024]unix.EpollEvent
	clock       clock
	sampleEvery uint64
	deliveries  uint64
	disorder    uint64
	hist        Histogram
}

// readSize is how much is read at a time: at 2 million deliveries a second a
// connection has dozens of frames waiting.
const readSize = 256 << 10

// Dial opens the connections and returns how long it took until all of them
// had joined.
func Dial(ctx context.Context, o Options) (*Group, time.Duration, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, 0, fmt.Errorf("create epoll: %w", err)
	}
	g := &Group{
		o: o, epoll: epoll, conns: make([]conn, o.Clients), buf: make([]byte, maxCarry+readSize),
		clock: newClock(), sampleEvery: 1,
		connect: connectFrame(o.Auth), prefix: []byte(o.Prefix), parse: o.Parse,
	}
	if g.parse == nil {
		g.parse = event.Parse
	}
	start := time.Now()
	for g.joined < o.Clients {
		for g.dialed < o.Clients && g.dialed-g.joined < o.InFlight {
			if err := g.dial(g.dialed); err != nil {
				g.Close()
				return nil, 0, fmt.Errorf("dial: %w", err)
			}
			g.dialed++
		}
		if err := g.step(ctx, 100*time.Millisecond); err != nil {
			g.Close()
			return nil, 0, fmt.Errorf("connect client %d of %d: %w", g.joined+1, o.Clients, err)
		}
		if g.ended > 0 {
			g.Close()
			return nil, 0, fmt.Errorf("connect client %d of %d: %w", g.joined+1, o.Clients, g.firstErr)
		}
	}
	return g, g.joinedAt.Sub(start), nil
}

// dial begins one connection.
func (g *Group) dial(i int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	g.conns[i] = conn{fd: fd, index: int32(i), state: dialing}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return err
	}
	addr := &unix.SockaddrInet4{Port: int(g.o.Addr.Port()), Addr: g.o.Addr.Addr().As4()}
	if err := unix.Connect(fd, addr); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return err
	}
	return unix.EpollCtl(g.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLOUT, Fd: int32(i)})
}

// step waits up to the given time for something to happen, and handles it.
func (g *Group) step(ctx context.Context, wait time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n, err := unix.EpollWait(g.epoll, g.events[:], int(wait.Milliseconds()))
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("wait: %w", err)
	}
	for _, e := range g.events[:max(n, 0)] {
		c := &g.conns[e.Fd]
		if err := g.ready(c); err != nil {
			g.end(c, err)
		}
	}
	return nil
}

// ready handles a connection of which the kernel has something to say.
func (g *Group) ready(c *conn) error {
	if c.state == dialing {
		return g.established(c)
	}
	// One read a wake-up: what is left wakes us again, and no connection keeps
	// the others waiting.
	k := copy(g.buf, c.carry)
	n, err := unix.Read(c.fd, g.buf[k:k+readSize])
	switch {
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
		return nil
	case err != nil:
		return err
	case n == 0:
		return errors.New("server ended the connection")
	}
	c.carry = c.carry[:0]
	reply, err := g.feed(c, g.buf[:k+n], g.clock.now())
	if err != nil {
		return err
	}
	if reply != nil {
		_, err = unix.Write(c.fd, reply)
	}
	return err
}

// established sends the WebSocket handshake on a connection that is established.
func (g *Group) established(c *conn) error {
	if errno, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil || errno != 0 {
		return fmt.Errorf("connect: %w", errors.Join(err, unix.Errno(errno)))
	}
	request := "GET " + g.o.Path + " HTTP/1.1\r\nHost: " + g.o.Addr.String() +
		"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
	if _, err := unix.Write(c.fd, []byte(request)); err != nil {
		return err
	}
	c.state = upgrade
	return unix.EpollCtl(g.epoll, unix.EPOLL_CTL_MOD, c.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: c.index})
}

func (g *Group) join(c *conn) {
	c.state = joined
	g.joined++
	g.joinedAt = time.Now()
	// An idle client should cost the generator nothing either.
	c.carry = nil
}

// end closes a connection that failed, and keeps the first reason.
func (g *Group) end(c *conn, err error) {
	if c.state == gone {
		return
	}
	if g.firstErr == nil {
		g.firstErr = err
	}
	_ = unix.Close(c.fd)
	c.state = gone
	g.ended++
}

// Close closes all connections.
func (g *Group) Close() {
	for i := range g.conns[:g.dialed] {
		if c := &g.conns[i]; c.state != gone {
			_ = unix.Close(c.fd)
			c.state = gone
		}
	}
	_ = unix.Close(g.epoll)
}

// sinceDue is the time from due to now.
func sinceDue(now, due uint64) time.Duration { return time.Duration(int64(now - due)) }

// clock is event.Now without the system call: Go reads the same clock through
// the vDSO.
type clock struct {
	base time.Time
	at   uint64
}

func newClock() clock { return clock{time.Now(), event.Now()} }

func (c clock) now() uint64 { return c.at + uint64(time.Since(c.base)) }

// pinThread keeps the calling goroutine on its thread, so that CPU time of the
// thread is that of the generator.
func pinThread() (cpu func() time.Duration, unpin func()) {
	runtime.LockOSThread()
	return threadCPU, runtime.UnlockOSThread
}

func threadCPU() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
