package throwaway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

// Cluster is one running Postgres; the zero Cluster is of no use.
type Cluster struct {
	bin  string // the directory that the caller or Find named
	run  string // the directory it is run from, see home.programs
	opts Options
	home *home
	port int
	out  *tail
	proc *program
	// stopped is set by the first Stop.
	stopped atomic.Bool
}

// Start creates a cluster and waits until it accepts connections. ctx bounds the
// start only: when it ends before, nothing is left behind and its error is
// returned. Without an installed Postgres the error is a *NotFoundError.
func Start(ctx context.Context, opts Options) (*Cluster, error) {
	bin, err := opts.find(ctx)
	if err != nil {
		return nil, err
	}
	h, err := newHome()
	if err != nil {
		return nil, err
	}
	c := &Cluster{bin: bin, opts: opts, home: h, out: &tail{next: opts.Log}}
	if err := c.create(ctx); err != nil {
		c.proc.killAll()
		return nil, errors.Join(err, h.remove())
	}
	return c, nil
}

func (o Options) find(ctx context.Context) (string, error) {
	switch {
	case o.Bin != "" && !complete(o.Bin):
		return "", fmt.Errorf("%s has no initdb and postgres", o.Bin)
	case o.Bin != "":
		return o.Bin, nil
	case o.Template != nil:
		return o.Template.bin, nil
	}
	return Find(ctx, o.Version)
}

func (c *Cluster) create(ctx context.Context) error {
	var err error
	if c.run, err = c.home.programs(c.bin); err != nil {
		return err
	}
	if c.opts.Template != nil {
		err = c.opts.Template.copyTo(c.home)
	} else {
		err = initdb(ctx, c.run, c.home)
	}
	if err != nil {
		return err
	}
	// Another program may take the free port before Postgres does.
	const attempts = 5
	for range attempts {
		if err = c.configure(); err != nil {
			return err
		}
		if err = c.StartAgain(ctx); err == nil || ctx.Err() != nil || !c.opts.TCP {
			return err
		}
	}
	return err
}

// configure chooses the port and appends our settings to postgresql.conf.
// Settings of ALTER SYSTEM come after them.
func (c *Cluster) configure() error {
	c.port = 5432 // only names the socket
	if c.opts.TCP {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return fmt.Errorf("find a free port: %w", err)
		}
		c.port = l.Addr().(*net.TCPAddr).Port
		l.Close()
	}
	f, err := os.OpenFile(c.home.data()+"/postgresql.conf", os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("open postgresql.conf: %w", err)
	}
	_, err = f.WriteString(c.opts.conf(c.home.sockets(), c.port))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write postgresql.conf: %w", err)
	}
	return nil
}

// StartAgain starts the server of a cluster that was killed or halted, on the
// same port and data, and waits until it accepts connections.
func (c *Cluster) StartAgain(ctx context.Context) error {
	if c.proc != nil && !c.proc.Ended() {
		return errors.New("start Postgres: it is running")
	}
	// On SIGQUIT the server shuts down at once, with all its children.
	p, err := start(c.run, "postgres", c.home.acc, c.home.dir, c.out, syscall.SIGQUIT, "-D", c.home.data())
	if err != nil {
		return err
	}
	c.proc = p
	return c.ready(ctx)
}

// ready waits until the server's pid file says that it accepts connections, as
// pg_ctl does. A probing connection would be in the server's log as failed.
func (c *Cluster) ready(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		lines, err := pidLines(c.home.pidFile())
		if err == nil && len(lines) >= 8 && lines[7] == "ready" && lines[0] == strconv.Itoa(c.proc.PID) {
			return nil
		}
		select {
		case <-tick.C:
		case <-c.proc.Done():
			return fmt.Errorf("start Postgres: it ended (%v)\n%s", c.proc.Wait(), c.out.String())
		case <-ctx.Done():
			c.proc.killAll()
			return ctx.Err()
		}
	}
}

// Halt stops the server and leaves its data, which StartAgain continues.
// Mode is "smart", "fast" or "immediate" as in pg_ctl, empty means fast. When
// ctx ends first the server is still stopping, and ctx's error is returned.
func (c *Cluster) Halt(ctx context.Context, mode string) error {
	sig, ok := map[string]syscall.Signal{
		"": syscall.SIGINT, "fast": syscall.SIGINT, "smart": syscall.SIGTERM, "immediate": syscall.SIGQUIT,
	}[mode]
	if !ok {
		return fmt.Errorf("stop Postgres: mode %q is none of smart, fast, immediate", mode)
	}
	if err := c.proc.signal(sig); err != nil {
		return err
	}
	select {
	case <-c.proc.Done():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Restart is Halt and StartAgain.
func (c *Cluster) Restart(ctx context.Context, mode string) error {
	if err := c.Halt(ctx, mode); err != nil {
		return err
	}
	return c.StartAgain(ctx)
}

// Kill ends all processes of the server with SIGKILL and returns when they have
// ended: like a crash of the machine, but for the disk.
func (c *Cluster) Kill() { c.proc.killAll() }

// Stop ends the server, by a fast shutdown, then an immediate one, then SIGKILL,
// and removes everything. Each shutdown has a timeout; when ctx ends the next
// is tried at once. It always completes. Later calls have no effect.
func (c *Cluster) Stop(ctx context.Context) error {
	if !c.stopped.CompareAndSwap(false, true) {
		return nil
	}
	for _, mode := range []string{"fast", "immediate"} {
		bounded, cancel := context.WithTimeout(ctx, stopTimeout)
		err := c.Halt(bounded, mode)
		cancel()
		if err == nil {
			break
		}
	}
	c.proc.killAll()
	return c.home.remove()
}

// Done is closed when the server that runs now has ended, for whatever reason.
func (c *Cluster) Done() <-chan struct{} { return c.proc.Done() }

// URL returns the superuser's address of a database, for pgx or libpq. With
// Options.TCP it contains the random password of this cluster.
func (c *Cluster) URL(db string) string { return c.url(db, c.opts.TCP) }

func (c *Cluster) url(db string, tcp bool) string {
	u := url.URL{Scheme: "postgres", User: url.User(superuser), Path: "/" + db}
	q := url.Values{}
	if tcp {
		u.User = url.UserPassword(superuser, c.home.password)
		u.Host = net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port))
		q.Set("sslmode", "disable")
	} else {
		q.Set("host", c.home.sockets())
		q.Set("port", strconv.Itoa(c.port))
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// SocketURL returns the address over the unix socket, also with Options.TCP:
// no password, and nearly twice the replication rate of TCP.
func (c *Cluster) SocketURL(db string) string {
	return c.url(db, false)
}

// Port returns the TCP port; without Options.TCP it only names the socket.
func (c *Cluster) Port() int { return c.port }

// Dir returns the cluster's directory, which contains the data directory `data`.
// Stop removes it.
func (c *Cluster) Dir() string { return c.home.dir }

// Bin returns the directory of the server's programs.
func (c *Cluster) Bin() string { return c.bin }

// Log returns the last 4 KiB of what the server printed.
func (c *Cluster) Log() string { return c.out.String() }
