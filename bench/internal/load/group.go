//go:build linux

package load

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"os"
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
	// Hello, if not "", is what a Bare connection sends first; it is joined once that
	// is answered, and answers each {} with one.
	Hello string
	// Auth is the payload of CONNECT, of at most 64 KiB; empty for none.
	Auth string
	// Client, if not nil, is asked for what client i has of its own.
	Client func(i int) Client
	// Prefix is what the packets that count begin with; empty counts all of
	// more than 256 bytes.
	Prefix string
	// Parse reads an event's number and when it was due, see [event.Now], from
	// the part of it that has been read; nil is [event.Parse].
	Parse func(packet []byte) (seq, due uint64, ok bool)
	// Clients is the number of connections, InFlight how many may be under way
	// at a time.
	Clients, InFlight int
	// Within is over how long the connections are begun, at an even pace; 0 for as
	// fast as InFlight lets.
	Within time.Duration
	// Retry is after how long a connection that failed before it was joined, or live
	// ([Return]), is made again; 0 fails with it.
	Retry time.Duration
	// Remember keeps each connection's private id and last offset, see
	// [Group.Sessions].
	Remember bool
	// Spread gives the connections different addresses of 127.0.0.0/8, fifty each, as
	// clients of a server have, instead of one.
	Spread bool
	// TLS, if not nil, is the configuration of TLS.
	TLS *tls.Config
	// ReceiveBuffer is the size of the kernel's receive buffer in bytes; 0 for the
	// system's default.
	ReceiveBuffer int
}

// Client is what a connection has of its own.
type Client struct {
	// Path and Auth, where not empty, take the place of those of Options.
	Path, Auth string
	// Subscribe are the conversations that it subscribes to once connected.
	Subscribe []string
}

// Session is what a client that comes back says of its earlier connection.
type Session struct{ PID, Offset string }

// Group is a number of connections to one server. Close it.
type Group struct {
	o           Options
	epoll       int
	conns       []conn
	dialed      int // of conns, how many were begun
	joined      int
	ended       int
	live        int
	gaps        int
	retried     int
	retries     []retry
	joinedAt    time.Time
	firstErr    error
	prefix      []byte
	parse       func([]byte) (seq, due uint64, ok bool)
	missed      Missed // after what a connection is live; no Count for never
	extra       uint64
	waits       Histogram
	longest     time.Duration
	secured     chan securedConn
	securing    int
	buf         []byte
	events      [1024]unix.EpollEvent
	clock       clock
	sampleEvery uint64
	deliveries  uint64
	disorder    uint64
	hist        Histogram
}

// retry is a connection to be made again.
type retry struct {
	index int
	at    time.Time
}

// readSize is how much is read at a time: at 2 million deliveries a second a
// connection has dozens of frames waiting.
const readSize = 256 << 10

// Dial opens the connections and returns how long it took until all of them
// had joined.
func Dial(ctx context.Context, o Options) (*Group, time.Duration, error) {
	g, err := newGroup(o)
	if err != nil {
		return nil, 0, err
	}
	start := time.Now()
	if err := g.connect(ctx, func() bool { return g.joined == o.Clients }); err != nil {
		g.Close()
		return nil, 0, err
	}
	return g, g.joinedAt.Sub(start), nil
}

// Missed are the events that clients which come back are to get: each those numbers
// From, From+Every, ... of which there are Count, give or take what is added to From for
// its room, below Every.
type Missed struct {
	From, Every uint64
	Count       int
}

// Returned is what became of clients that came back.
type Returned struct {
	// Took is the time until all of them had all that they had missed, Longest that
	// from a client's first attempt to then, at most.
	Took, Longest time.Duration
	// Waits are those times.
	Waits Histogram
	// Short is how many clients have not had all by the end of ctx.
	Short int
	// Retries is how often a client had to try again, Gaps how many gaps were told of,
	// Ended how many connections ended after they were live.
	Retries, Gaps, Ended int
	// Extra counts events that came beside those that were missed, or more than once.
	Extra uint64
}

// Return opens connections of which each counts as live once it has had what it had
// missed, and returns when all are, or ctx has ended.
func Return(ctx context.Context, o Options, missed Missed) (*Group, Returned, error) {
	g, err := newGroup(o)
	if err != nil {
		return nil, Returned{}, err
	}
	g.missed = missed
	start := time.Now()
	err = g.connect(ctx, func() bool { return g.live == o.Clients })
	r := Returned{
		Took: time.Since(start), Longest: g.longest, Waits: g.waits, Short: o.Clients - g.live,
		Retries: g.retried, Gaps: g.gaps, Ended: g.ended, Extra: g.extra,
	}
	if err != nil && ctx.Err() == nil {
		g.Close()
		return nil, r, err
	}
	return g, r, nil
}

func newGroup(o Options) (*Group, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll: %w", err)
	}
	g := &Group{
		o: o, epoll: epoll, conns: make([]conn, o.Clients), buf: make([]byte, maxCarry+readSize),
		clock: newClock(), sampleEvery: 1, prefix: []byte(o.Prefix), parse: o.Parse,
		secured: make(chan securedConn, o.InFlight),
	}
	if g.parse == nil {
		g.parse = event.Parse
	}
	return g, nil
}

// connect makes connections until done says so.
func (g *Group) connect(ctx context.Context, done func() bool) error {
	for !done() {
		if err := g.dialNext(); err != nil {
			return fmt.Errorf("dial: %w", err)
		}
		wait := 100 * time.Millisecond
		if g.o.Within > 0 && g.dialed < g.o.Clients || len(g.retries) > 0 {
			wait = time.Millisecond
		}
		err := g.step(ctx, wait)
		if err == nil && g.ended > 0 && g.missed.Count == 0 {
			err = g.firstErr
		}
		if err != nil {
			return fmt.Errorf("connect client %d of %d: %w", g.joined+1, g.o.Clients, err)
		}
	}
	return nil
}

// dialNext begins the connections whose turn it is.
func (g *Group) dialNext() error {
	for g.dialed < g.o.Clients && g.dialed-g.joined-len(g.retries) < g.o.InFlight &&
		time.Duration(g.dialed)*g.o.Within/time.Duration(g.o.Clients) <= g.clock.since() {
		g.conns[g.dialed].began = g.clock.since()
		if err := g.dial(g.dialed); err != nil {
			return err
		}
		g.dialed++
	}
	for len(g.retries) > 0 && !time.Now().Before(g.retries[0].at) {
		again := g.retries[0].index
		g.retries = g.retries[1:]
		if err := g.dial(again); err != nil {
			return err
		}
	}
	return nil
}

// dial begins one connection.
func (g *Group) dial(i int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if errors.Is(err, unix.EMFILE) {
		return fmt.Errorf("%w: raise the limit of open files (ulimit -n), or ask for fewer clients", err)
	}
	if err != nil {
		return err
	}
	c := &g.conns[i]
	*c = conn{fd: fd, index: int32(i), state: dialing, began: c.began}
	if err := g.prepare(fd, i); err != nil {
		return err
	}
	addr := &unix.SockaddrInet4{Port: int(g.o.Addr.Port()), Addr: g.o.Addr.Addr().As4()}
	if err := unix.Connect(fd, addr); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return err
	}
	return unix.EpollCtl(g.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLOUT, Fd: int32(i)})
}

// prepare sets a socket's options.
func (g *Group) prepare(fd, i int) error {
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return err
	}
	if g.o.ReceiveBuffer > 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, g.o.ReceiveBuffer); err != nil {
			return err
		}
	}
	if !g.o.Spread {
		return nil
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		return err
	}
	n := i / 50
	return unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, byte(1 + n/250/250), byte(n / 250 % 250), byte(1 + n%250)}})
}

// client is what connection i has of its own.
func (g *Group) client(c *conn) Client {
	if g.o.Client == nil {
		return Client{}
	}
	return g.o.Client(int(c.index))
}

func (g *Group) auth(c *conn) string {
	if auth := g.client(c).Auth; auth != "" {
		return auth
	}
	return g.o.Auth
}

// subscribe returns the frames that subscribe a connection that has just joined.
func (g *Group) subscribe(c *conn) (frames []byte) {
	for _, conversation := range g.client(c).Subscribe {
		frames = append(frames, textFrame(`42["subscribe:conversation","`+conversation+`"]`)...)
	}
	return frames
}

// step waits up to the given time for something to happen, and handles it.
func (g *Group) step(ctx context.Context, wait time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if g.securing > 0 {
		wait = min(wait, time.Millisecond)
		g.takeSecured()
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
	switch {
	case c.state == dialing:
		return g.established(c)
	case c.state == securing:
		return nil // its goroutine finds out
	case c.tls != nil:
		return g.readSecured(c)
	}
	// One read a wake-up: what is left wakes us again, and no connection keeps
	// the others waiting.
	return g.read(c, readSize)
}

// read reads a connection once.
func (g *Group) read(c *conn, most int) error {
	k := copy(g.buf, c.carry)
	n, err := unix.Read(c.fd, g.buf[k:k+most])
	switch {
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
		return nil
	case err != nil:
		return err
	case n == 0:
		return errEnded
	}
	return g.handle(c, g.buf[:k+n])
}

var errEnded = errors.New("server ended the connection")

// handle handles what was read, after what was kept.
func (g *Group) handle(c *conn, b []byte) error {
	c.carry = c.carry[:0]
	reply, err := g.feed(c, b, g.clock.now())
	if err != nil || reply == nil {
		return err
	}
	return g.write(c, reply)
}

func (g *Group) write(c *conn, b []byte) error {
	if c.tls != nil {
		_, err := c.tls.Write(b)
		return err
	}
	_, err := unix.Write(c.fd, b)
	return err
}

// established begins the handshakes on a connection that is established.
func (g *Group) established(c *conn) error {
	if errno, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil || errno != 0 {
		return fmt.Errorf("connect: %w", errors.Join(err, unix.Errno(errno)))
	}
	if g.o.TLS != nil {
		return g.secure(c)
	}
	return g.request(c)
}

// request sends the WebSocket handshake.
func (g *Group) request(c *conn) error {
	path := g.client(c).Path
	if path == "" {
		path = g.o.Path
	}
	request := "GET " + path + " HTTP/1.1\r\nHost: " + g.o.Addr.String() +
		"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
	if err := g.write(c, []byte(request)); err != nil {
		return err
	}
	c.state = upgrade
	return g.await(c, unix.EPOLLIN)
}

// await asks epoll for what a connection waits for.
func (g *Group) await(c *conn, events uint32) error {
	return unix.EpollCtl(g.epoll, unix.EPOLL_CTL_MOD, c.fd, &unix.EpollEvent{Events: events, Fd: c.index})
}

func (g *Group) join(c *conn) {
	c.state = joined
	g.joined++
	g.joinedAt = time.Now()
	// An idle client should cost the generator nothing either.
	c.carry = nil
}

// isLive notes that a connection has had all that it was to have.
func (g *Group) isLive(c *conn) {
	c.live = true
	g.live++
	wait := g.clock.since() - c.began
	g.waits.Add(wait)
	g.longest = max(g.longest, wait)
}

// end closes a connection that failed. It is to be made again, or the first reason is
// kept.
func (g *Group) end(c *conn, err error) {
	if c.state == gone || c.state == idle {
		return
	}
	_ = unix.Close(c.fd)
	if g.o.Retry > 0 && (c.state != joined || g.missed.Count > 0 && !c.live) {
		if c.state == joined {
			g.joined--
		}
		c.state = idle
		g.retried++
		g.retries = append(g.retries, retry{int(c.index), time.Now().Add(g.o.Retry)})
		return
	}
	if g.firstErr == nil {
		g.firstErr = err
	}
	c.state = gone
	g.ended++
}

// Sessions are those of the connections, for Options.Remember.
func (g *Group) Sessions() []Session {
	s := make([]Session, len(g.conns))
	for i := range g.conns {
		s[i] = Session{g.conns[i].pid, g.conns[i].offset}
	}
	return s
}

// Close closes all connections.
func (g *Group) Close() {
	for g.securing > 0 {
		g.securing--
		<-g.secured
	}
	for i := range g.conns[:g.dialed] {
		if c := &g.conns[i]; c.state != gone && c.state != idle {
			_ = unix.Close(c.fd)
			c.state = gone
		}
	}
	_ = unix.Close(g.epoll)
}

// MaxClients is how many clients of one process a machine lets a benchmark have: the
// limit of open files, less what server and generator need beside them.
func MaxClients() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 1000
	}
	if limit.Cur < limit.Max || os.Geteuid() == 0 {
		more := unix.Rlimit{Cur: max(limit.Max, 100_000), Max: max(limit.Max, 100_000)}
		if unix.Setrlimit(unix.RLIMIT_NOFILE, &more) != nil {
			more = unix.Rlimit{Cur: limit.Max, Max: limit.Max}
			_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &more)
		}
		_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	}
	return int(limit.Cur) - max(int(limit.Cur)/20, 100)
}
