package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"sync"
	"sync/atomic"
	"time"

	"chatbridge/bridge/access"
	"chatbridge/bridge/gateway/handover"
	"chatbridge/internal/retry"

	"golang.org/x/sync/errgroup"
)

// What the bridge's Socket.IO server has to know of the connections that the
// gateway makes to it, see package handover. Options.Shed should pass over
// clients whose request IsCatchUp. CatchUpHeader is what it goes by; the gateway
// removes it from what comes in from outside.
const (
	CatchUpHeader = handover.Header
	SyncEvent     = handover.SyncEvent
	SyncedEvent   = handover.SyncedEvent
)

// IsCatchUp reports whether a request with these headers is the gateway's own.
// The proof is a secret of the process.
func IsCatchUp(h http.Header) bool { return handover.IsFeed(h) }

// Since returns from when on a client that connects has ChatEngine's ids, as
// Options.Since told it then, by its headers and private id; "" if it never was at
// ChatEngine. It may be invented.
func Since(h http.Header, pid string) string { return handover.SinceOfRequest(h, pid) }

// LeftUpstreamSince returns from when on a client that comes with this private id may lack
// what ChatEngine sent: somewhat before its last WebSocket to ChatEngine ended; where that
// is not known, what UpstreamSince says. The id may be invented.
func (g *Gateway) LeftUpstreamSince(pid string) time.Time { return g.handovers.LeftSince(pid) }

// UpstreamSince returns from when on a client with this private id may lack what ChatEngine
// sent, as the id alone tells: somewhat before its last WebSocket to ChatEngine began, or
// Unknown; the zero time of an id that no gateway gave. The id may be invented.
func UpstreamSince(pid string) time.Time { return handover.Earliest(pid) }

// Unknown stands for a time of which nothing is known: it is before all that there was.
var Unknown = handover.Unknown

// OfUpstream reports whether a client was given its private id at ChatEngine: an
// offset that it says it received tells nothing of what it has received there.
func OfUpstream(pid string) bool { return handover.OfEngine(pid) }

// Gateway proxies ChatEngine while it is healthy and has the bridge serve
// while it is not. All methods are safe for concurrent use; Run is called once.
type Gateway struct {
	opts  Options
	log   *slog.Logger
	count counters

	upstream  *upstream
	admission admission // what is passed on, and the limits of it
	refusals  refusalCounters
	monitor   *monitor
	proxy     *httputil.ReverseProxy
	handovers *handover.Service

	sessions    sessions       // of ChatEngine's, by polling
	connections connections    // what is proxied
	reads       connections    // of REST, without an answer of ChatEngine's yet
	webhooks    connections    // webhooks that are, and can be kept
	serving     sync.WaitGroup // proxied WebSockets
	ending      atomic.Bool    // Shutdown has begun
}

// New returns a gateway that starts in state Upstream, before the first
// probe: a bridge that is started again must not pull ChatEngine's clients
// over. Nothing runs until Run.
func New(o Options) (*Gateway, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Fresh == nil {
		o.Fresh = func(time.Time) bool { return true }
	}
	everybody := func(*http.Request) bool { return true }
	if o.AdmitAddress == nil {
		o.AdmitAddress = everybody
	}
	if o.AdmitOrigin == nil {
		o.AdmitOrigin = everybody
	}
	if o.AdmitRequest == nil {
		o.AdmitRequest = everybody
	}
	g := &Gateway{opts: o, log: o.Logger, upstream: newUpstream(o)}
	g.SetLimits(o.Limits)
	g.monitor = newMonitor(o, g.changed)
	g.proxy = g.newProxy()
	g.handovers = handover.New(handover.Options{
		Path: o.Path, Bridge: o.Local, Logger: o.Logger, Fresh: o.Fresh,
		CatchUp: o.CatchUp, CatchUpWait: o.CatchUpWait, CatchUpLate: o.CatchUpLate,
		Since: o.Since, OwedSince: o.OwedSince, DeparturesFile: o.DeparturesFile,
	})
	return g, nil
}

// Run probes ChatEngine and moves clients until ctx ends, and returns nil then.
func (g *Gateway) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return g.watchHealth(ctx) })
	group.Go(func() error { return g.moveClients(ctx) })
	group.Go(func() error { return g.handovers.Run(ctx) })
	if s := g.opts.Webhooks.Spool; s != nil {
		group.Go(func() error { return s.Run(ctx, g.deliver) })
	}
	err := group.Wait()
	g.upstream.transport.CloseIdleConnections()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// ServeHTTP is the public listener's handler for everything but the bridge's
// own paths.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Header.Del(CatchUpHeader)
	if !g.admits(w, r) {
		return
	}
	path := access.RawPath(r)
	switch sid := r.URL.Query().Get("sid"); {
	case g.upstream.leaves(path):
		g.refuse(w, r, refusePath)
	case g.keeps(r, path):
		g.serveWebhook(w, r)
	case !access.Below(path, g.opts.Path) && g.State() == Local && g.answers(r):
		g.count.restServed.Add(1)
		g.opts.Rest.ServeHTTP(w, r)
	case !access.Below(path, g.opts.Path):
		g.proxyOther(w, r)
	case sid != "" && g.opts.Knows(sid):
		g.opts.Local.ServeHTTP(w, r)
	case g.State() == Local:
		// A sid is of a session that ended with ChatEngine: the bridge answers
		// that it does not know it, which makes the client open a new one.
		if sid == "" {
			g.count.served.Add(1)
		}
		g.opts.Local.ServeHTTP(w, r)
	case sid != "" && !g.sessions.known(sid) && !g.opts.AdmitRequest(r):
		// Perhaps of no session: a first poll, or a guess.
		g.answerRefusal(w, r, refuseRequests)
	case isWebSocket(r):
		g.proxyWebSocket(w, r)
	default:
		g.proxySession(w, r)
	}
}

// rescue serves a session locally that ChatEngine failed, unless the operator
// forbids it.
func (g *Gateway) rescue(w http.ResponseWriter, r *http.Request) bool {
	if g.Status().Mode == HoldUpstream || !opensSession(r) || r.Method == http.MethodPost {
		return false
	}
	g.count.rescued.Add(1)
	g.opts.Local.ServeHTTP(w, r)
	return true
}

func (g *Gateway) writeTimeout() time.Duration { return g.admission.limits.Load().WriteTimeout }

// State is where new sessions go now.
func (g *Gateway) State() State { return g.monitor.stateNow() }

// Status is the state with its reason and age.
func (g *Gateway) Status() Status { return g.monitor.status() }

// Hold applies the operator's mode; clients are moved in batches. The mode does
// not survive a restart. Repeating it changes nothing.
func (g *Gateway) Hold(mode Mode) error {
	if _, err := ParseMode(string(mode)); err != nil {
		return err
	}
	g.monitor.hold(mode)
	return nil
}

// changed is called by the monitor after each change of state or mode.
func (g *Gateway) changed(before State, status Status) {
	if before != status.State {
		g.count.switches[status.State].Add(1)
	}
	g.log.Info("gateway changed", "state", status.State.String(), "was", before.String(),
		"mode", string(status.Mode), "reason", status.Reason)
	// A ChatEngine that died takes its connections along, one that hangs or is
	// cut off does not: without this its clients would get nothing until their
	// own ping time-out, up to 45 s later.
	if status.State == Local && status.Mode == Auto {
		g.count.handedOver.Add(uint64(g.connections.close(-1)))
		g.reads.close(-1)
		g.webhooks.close(-1)
	}
}

// Shutdown refuses new requests and closes the proxied connections in batches,
// without a packet, so that clients come back to another instance; it returns
// when they are gone, or with ctx's error after closing the rest at once. It
// does not close the bridge's own clients.
func (g *Gateway) Shutdown(ctx context.Context, batch int, interval time.Duration) error {
	g.ending.Store(true)
	if s := g.opts.Webhooks.Spool; s != nil {
		s.Stop()
	}
	defer g.upstream.transport.CloseIdleConnections()
	var err error
	for err == nil && g.connections.close(max(batch, 1)) > 0 {
		err = retry.Sleep(ctx, interval)
	}
	g.connections.close(-1)
	g.webhooks.close(-1)
	g.serving.Wait() // every closed connection ends within the linger
	return err
}
