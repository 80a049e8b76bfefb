package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Gateway proxies ChatEngine while it is healthy and has the bridge serve
// while it is not. All methods are safe for concurrent use; Run is called once.
type Gateway struct {
	opts  Options
	log   *slog.Logger
	count counters

	transport *http.Transport
	proxy     *httputil.ReverseProxy
	local     *memoryListener // Local, for catching up

	mu      sync.Mutex
	machine *machine
	misses  int           // sessions in a row that ChatEngine failed
	changed chan struct{} // closed and replaced when the state changes
	state   atomic.Int32  // the machine's, for ServeHTTP

	suspect atomic.Int64  // Unix nanoseconds of the last passive failure
	kick    chan struct{} // asks for a probe now
	cuts    registry      // what is proxied, to be closed

	serving sync.WaitGroup // proxied websockets
	ending  atomic.Bool
}

// New returns a gateway that starts in state Upstream, before the first
// probe: a bridge that is started again must not pull ChatEngine's clients
// over. Nothing runs until Run.
func New(o Options) (*Gateway, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	g := &Gateway{
		opts:    o,
		log:     o.Logger,
		machine: newMachine(o, time.Now()),
		changed: make(chan struct{}),
		kick:    make(chan struct{}, 1),
	}
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	if g.opts.Fresh == nil {
		g.opts.Fresh = func(time.Time) bool { return true }
	}
	g.local = newMemoryListener()
	g.transport = newTransport(o)
	g.proxy = g.newProxy()
	return g, nil
}

// ServeHTTP is the public listener's handler for everything but the bridge's
// own paths.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.ending.Load() {
		http.Error(w, "shutting down", http.StatusServiceUnavailable)
		return
	}
	r.Header.Del(CatchUpHeader)
	if strings.TrimSuffix(r.URL.Path, "/") != g.opts.Path {
		g.count.passed.Add(1)
		if r.ContentLength != 0 {
			// Go's server would otherwise read the whole body before it lets an
			// answer begin. Not supported means HTTP/2, where it is so anyway.
			_ = http.NewResponseController(w).EnableFullDuplex()
		}
		g.proxy.ServeHTTP(w, r)
		return
	}
	if sid := r.URL.Query().Get("sid"); sid != "" {
		g.serveSession(w, r, sid)
		return
	}
	if g.at(Local) {
		g.count.served.Add(1)
		g.opts.Local.ServeHTTP(w, r)
		return
	}
	if isWebsocket(r) {
		g.proxyWebsocket(w, r)
		return
	}
	g.proxySession(w, r)
}

// serveSession sends a request of an open session to who opened it. While the
// bridge serves, ChatEngine's sessions are over: the bridge answers that it
// does not know them, which makes the client open a new one.
func (g *Gateway) serveSession(w http.ResponseWriter, r *http.Request, sid string) {
	switch {
	case g.opts.Knows(sid), g.at(Local):
		g.opts.Local.ServeHTTP(w, r)
	case isWebsocket(r):
		g.proxyWebsocket(w, r)
	default:
		g.proxySession(w, r)
	}
}

// rescue serves a session locally that ChatEngine failed, unless the operator
// forbids it.
func (g *Gateway) rescue(w http.ResponseWriter, r *http.Request) bool {
	g.mu.Lock()
	held := g.machine.mode == HoldUpstream
	g.mu.Unlock()
	if held || r.URL.Query().Has("sid") || r.Method == http.MethodPost {
		return false
	}
	g.count.rescued.Add(1)
	g.opts.Local.ServeHTTP(w, r)
	return true
}

func (g *Gateway) at(s State) bool { return State(g.state.Load()) == s }

// State is where new sessions go now.
func (g *Gateway) State() State { return State(g.state.Load()) }

// Status is the state with its reason and age.
func (g *Gateway) Status() Status {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.machine.status()
}

// Hold applies the operator's mode; clients are moved in batches. The mode does
// not survive a restart. Repeating it changes nothing.
func (g *Gateway) Hold(mode Mode) error {
	if _, err := ParseMode(string(mode)); err != nil {
		return err
	}
	g.update(func(now time.Time) bool { return g.machine.hold(mode, now) })
	g.probeNow()
	return nil
}

// update runs f under the lock and, where it changed the state, tells everyone.
func (g *Gateway) update(f func(now time.Time) (changed bool)) {
	g.mu.Lock()
	changed := f(time.Now())
	status := g.machine.status()
	before := State(g.state.Swap(int32(status.State)))
	if changed {
		close(g.changed)
		g.changed = make(chan struct{})
	}
	g.mu.Unlock()
	if !changed {
		return
	}
	if before != status.State {
		g.count.switches[status.State].Add(1)
	}
	g.log.Info("gateway changed", "state", status.State.String(), "was", before.String(),
		"mode", string(status.Mode), "reason", status.Reason)
	// A ChatEngine that died takes its connections along, one that hangs or is
	// cut off does not: without this its clients would hear nothing until their
	// own ping time-out, up to 45 s later.
	if status.State == Local && status.Mode == Auto {
		g.count.handedOver.Add(uint64(g.cuts.cut(-1)))
	}
}

// watch returns the status and a channel that is closed at the next change.
func (g *Gateway) watch() (Status, <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.machine.status(), g.changed
}

// failed notes that ChatEngine failed a session, and asks for a probe.
func (g *Gateway) failed(f failure, err error) {
	g.count.failures[f].Add(1)
	g.suspectNow()
	g.update(func(now time.Time) bool {
		g.misses++
		// Where the probe succeeds but sessions fail, the probe is not what
		// matters.
		return g.misses >= g.opts.FailAfter && g.machine.fail(now, "sessions fail: "+err.Error())
	})
}

// answered notes that ChatEngine opened a session.
func (g *Gateway) answered() {
	g.mu.Lock()
	g.misses = 0
	g.mu.Unlock()
}

// suspectNow notes passive evidence of a failure and asks for a probe.
func (g *Gateway) suspectNow() {
	g.suspect.Store(time.Now().UnixNano())
	g.probeNow()
}

func (g *Gateway) probeNow() {
	select {
	case g.kick <- struct{}{}:
	default: // one is due already
	}
}

// Shutdown refuses new requests and closes the proxied connections in batches,
// without a packet, so that clients come back to another instance; it returns
// when they are gone, or with ctx's error after closing the rest at once. It
// does not close the bridge's own clients.
func (g *Gateway) Shutdown(ctx context.Context, batch int, interval time.Duration) error {
	g.ending.Store(true)
	defer g.transport.CloseIdleConnections()
	var err error
	for err == nil && g.cuts.cut(max(batch, 1)) > 0 {
		err = sleep(ctx, interval)
	}
	g.cuts.cut(-1)
	g.serving.Wait() // every cut connection ends within the linger
	return err
}

// sleep waits for d or ctx's end.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// jitter varies d by half, so that batches of several bridges do not coincide.
func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d+1)
}
