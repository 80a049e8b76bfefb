package bridge

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"chatbridge/bridge/api"
	"chatbridge/bridge/console"
	"chatbridge/bridge/gateway"
	"chatbridge/bridge/ops"
	"chatbridge/bridge/pipeline"
	"chatbridge/bridge/rest"
	"chatbridge/bridge/send"
	"chatbridge/bridge/systemd"
	"chatbridge/bridge/telemetry"
	"chatbridge/configs"
	"chatbridge/socketio"
)

// Daemon is the whole bridge. New makes it, Listen binds its addresses, Run
// runs it.
type Daemon struct {
	cfg *configs.Config
	log *slog.Logger

	source    Source
	progress  ops.Progress // the source's handler, which passes on to pipeline
	pipeline  *pipeline.Pipeline
	api       *api.Server
	rest      *rest.Handler // nil unless it is enabled
	sender    *send.Sender
	gateway   *gateway.Gateway // nil unless in front of ChatEngine
	exporter  *telemetry.Exporter
	passwords *passwords
	pools     []*pgxpool.Pool // of lookups, memberships and tables; none without a database
	// parts run beside the source until the very end.
	parts []func(context.Context) error

	listeners   listeners
	front       func(http.Handler) http.Handler // nil for none
	descriptors *descriptors
	heads       *heads
	reload      *reload
	observer    *observer
	console     *console.Console
	notify      *systemd.Notifier
}

// Listen binds the public and the admin address, so that a port that is taken
// is known before anything else begins. Addr and AdminAddr tell what was
// bound.
func (d *Daemon) Listen() error { return d.listeners.bind(d.cfg) }

// Addr returns the public listener's address. Listen must have been called.
func (d *Daemon) Addr() net.Addr { return d.listeners.public.Addr() }

// AdminAddr returns the admin listener's address; nil when it is off.
func (d *Daemon) AdminAddr() net.Addr {
	if d.listeners.admin == nil {
		return nil
	}
	return d.listeners.admin.Addr()
}

// Run serves until ctx ends or a part fails for good. Then it ends in order: it
// waits for messages that are being sent, a quarter of shutdown.grace at most; it
// ends the source, with its last position confirmed; it refuses new connections
// and closes the clients' transports in small batches, without a DISCONNECT
// packet, so that they come back to another instance; HTTP ends last. Except for
// the end of the source, which has a limit of its own, all of it is bounded by
// shutdown.grace. It returns nil after an orderly end, else a *LoggedError or an
// error of the start.
func (d *Daemon) Run(ctx context.Context) error {
	if d.listeners.public == nil {
		if err := d.Listen(); err != nil {
			return err
		}
	}
	if err := d.refuseLoop(ctx); err != nil {
		d.Close()
		return err
	}
	_ = d.sender.Open() // Run tries again, and logs why it cannot
	// Serving outlives ctx: its clients are closed first.
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	group, failed := errgroup.WithContext(serving)
	for _, part := range d.parts {
		group.Go(func() error { return part(failed) })
	}
	servers := d.httpServers()
	for _, s := range servers {
		group.Go(s.run)
	}
	following, stopFollowing := context.WithCancel(ctx)
	defer stopFollowing()
	followed := make(chan struct{})
	var sourceErr error // once followed is closed
	go func() {
		defer close(followed)
		sourceErr = d.source.Run(following, &d.progress)
	}()
	d.logAddresses()
	d.notify.Ready()
	group.Go(func() error { return d.notify.Watch(failed, d.watchdog()) })

	var cause error
	select {
	case <-ctx.Done():
	case <-failed.Done():
	case <-followed:
		if ctx.Err() == nil {
			cause = sourceErr
		}
	}
	d.end(serving, servers, cause, func() {
		stopFollowing()
		<-followed
	})
	stopServing()
	err := ignoreCanceled(group.Wait())
	d.Close()
	if err != nil {
		d.log.Error("a part of the bridge failed", "error", err)
	}
	d.log.Info("ended")
	if err = errors.Join(cause, err); err != nil {
		return &LoggedError{err}
	}
	return nil
}

// LoggedError is an error that Run has logged already.
type LoggedError struct{ Err error }

// Error returns the text of Err.
func (e *LoggedError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *LoggedError) Unwrap() error { return e.Err }

// refuseLoop returns an error where ChatEngine's address is one at which this
// bridge listens: it would pass requests on to itself. A loop through another host
// is recognised by the gateway, when a request comes back.
func (d *Daemon) refuseLoop(ctx context.Context) error {
	upstream, err := url.Parse(d.cfg.Gateway.Upstream)
	if err != nil || d.gateway == nil {
		return err
	}
	for _, ln := range []net.Listener{d.listeners.public, d.listeners.admin} {
		if ln != nil && gateway.LeadsTo(ctx, upstream, ln.Addr().String()) {
			return &configs.Error{Problems: []configs.Problem{{
				Key: "gateway.upstream", Value: d.cfg.Gateway.Upstream, Origin: d.cfg.Origin("gateway.upstream").String(),
				Reason: "leads to this bridge itself, which listens at " + ln.Addr().String(), Accepted: "ChatEngine's own address",
			}}}
		}
	}
	return nil
}

// httpServers returns the public server and, where it is on, the admin one.
func (d *Daemon) httpServers() []*httpServer {
	public := d.publicHandler()
	if d.front != nil {
		public = d.front(public)
	}
	servers := []*httpServer{newHTTPServer(d.listeners.public, d.descriptors.admit(public), d.descriptors, d.heads, d.log)}
	if d.listeners.admin != nil {
		servers = append(servers, newHTTPServer(d.listeners.admin, d.adminHandler(), nil, nil, d.log))
	}
	return servers
}

// end ends the source with stopSource, then the clients, then HTTP. cause is nil for an
// orderly end.
func (d *Daemon) end(ctx context.Context, servers []*httpServer, cause error, stopSource func()) {
	d.observer.ending.Store(true)
	d.notify.Stopping()
	if d.listeners.activated {
		// Clients that connect from now on wait for the next process.
		servers[0].stopAccepting(ctx)
	}
	if cause != nil {
		d.log.Error("the source failed; ending", "error", cause)
	} else {
		d.log.Info("ending")
	}
	grace, cancel := context.WithTimeout(ctx, d.cfg.Shutdown.Grace)
	defer cancel()
	// Wait for messages that are being sent while the source still reports their rows, and
	// while the clients are connected to be told of them.
	sending, stopWaiting := context.WithTimeout(grace, d.cfg.Shutdown.Grace/sendingShare)
	d.sender.Shutdown(sending)
	stopWaiting()
	stopSource()
	d.closeClients(grace)
	d.sender.Shutdown(grace)
	for _, s := range servers {
		if s.Shutdown(grace) != nil {
			_ = s.Close()
		}
	}
}

// sendingShare: 1/sendingShare of shutdown.grace is how long the end waits for messages that
// are being sent before it ends the source and closes the clients.
const sendingShare = 4

// logAddresses logs the addresses at which the Daemon serves, as the listeners report them.
func (d *Daemon) logAddresses() {
	l := &d.listeners
	attrs := []any{"address", l.public.Addr().String(), "path", d.cfg.Path, "tls", l.cert != nil, "version", d.observer.build.Version}
	if l.admin != nil {
		attrs = append(attrs, "admin", l.admin.Addr().String())
	}
	d.log.Info("serving", attrs...)
}

// watchdog returns what the notifier checks before it tells systemd that the Daemon lives.
func (d *Daemon) watchdog() ops.Watchdog {
	return ops.Watchdog{Snapshot: d.Snapshot, Progress: &d.progress}
}

// Close closes what New and Listen opened. Run does so by itself.
func (d *Daemon) Close() {
	d.listeners.close()
	for _, pool := range d.pools {
		pool.Close()
	}
}

// closeBatches is how many batches the clients are closed in at the end, and
// gatewayBatch how many of the proxied ones are closed at a time.
const (
	closeBatches = 20
	gatewayBatch = 50
)

// closeClients closes the clients' transports over half of shutdown.grace, so
// that they do not all come to another instance at once.
func (d *Daemon) closeClients(ctx context.Context) {
	clients := d.api.SocketIO().Len()
	over := d.cfg.Shutdown.Grace / 2
	if clients < 2*closeBatches {
		over = 0
	}
	if c := clusterOf(d.source); c != nil {
		c.forwards.end() // clients of other bridges reconnect elsewhere, like this bridge's own
	}
	var proxied sync.WaitGroup
	if d.gateway != nil {
		proxied.Go(func() { _ = d.gateway.Shutdown(ctx, gatewayBatch, over/closeBatches) })
	}
	err := d.api.SocketIO().Shutdown(ctx, socketio.ShutdownOptions{
		Batch: max(1, (clients+closeBatches-1)/closeBatches), Interval: over / closeBatches,
	})
	proxied.Wait()
	if err != nil {
		d.log.Warn("not all clients could be closed in time", "error", err)
	}
}

func ignoreCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
