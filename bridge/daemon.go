package bridge

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"chatbridge/bridge/access"
	"chatbridge/bridge/auth"
	"chatbridge/bridge/gateway"
	"chatbridge/bridge/logging"
	"chatbridge/bridge/ops"
	"chatbridge/bridge/systemd"
	"chatbridge/configs"
	"chatbridge/socketio"
	"chatbridge/source"
)

// Source follows the changes of the database.
type Source interface {
	// Run feeds handler until ctx ends, and then returns nil or ctx's error.
	// It deals itself with all that passes; an error is for good.
	Run(ctx context.Context, handler source.Handler) error
	// Health may be called from any goroutine, also while Run does not run.
	Health() ops.Health
}

// Daemon is the whole bridge. New makes it, Listen binds its addresses, Run
// runs it.
type Daemon struct {
	cfg      *configs.Config
	build    ops.Build
	log      *slog.Logger
	started  time.Time
	source   Source
	pipeline *Pipeline
	server   *Server
	auth     *auth.Authenticator
	gateway  *gateway.Gateway // nil unless in front of ChatEngine
	warnings *ops.Warnings
	pool     *pgxpool.Pool // for lookups and memberships; nil without a database
	origins  atomic.Pointer[access.Origins]
	key      atomic.Pointer[configs.Secret] // of the Supabase project
	refused  refusals
	refilled chan struct{} // closed once new sessions are let in
	// descriptors keeps some file descriptors from the clients.
	descriptors *descriptors
	// parts run beside the source until the very end.
	parts []func(context.Context) error

	public, admin net.Listener
	ending        atomic.Bool

	// The operator's side: see operate.go and reload.go.
	notify    *systemd.Notifier
	inherited *systemd.Listeners
	taken     []string // the settings whose sockets are systemd's
	lines     *logging.Log
	cert      *certificate // nil without TLS
	progress  ops.Progress
	reloads   reloads
}

// Run serves until ctx ends or a part fails for good. Then it ends in order:
// the source first, with its last position confirmed; new connections are
// refused; the clients' transports are closed in small batches, without a
// DISCONNECT packet, so that they come back to another instance; HTTP last.
// All of it takes no longer than shutdown.grace. It returns nil after an
// orderly end.
func (d *Daemon) Run(ctx context.Context) error {
	if d.public == nil {
		if err := d.Listen(); err != nil {
			return err
		}
	}
	// Serving outlives ctx: it has clients to let go first.
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	group, failed := errgroup.WithContext(serving)
	for _, part := range append(d.parts, d.server.Hub().Run) {
		group.Go(func() error { return part(failed) })
	}
	public := d.serve(group, d.public, d.descriptors.admit(d.publicHandler()), d.descriptors)
	var admin *server
	if d.admin != nil {
		admin = d.serve(group, d.admin, d.adminHandler(), nil)
	}

	following, stopFollowing := context.WithCancel(ctx)
	defer stopFollowing()
	followed := make(chan error, 1)
	d.progress.Handler = d.pipeline
	go func() { followed <- d.source.Run(following, &d.progress) }()
	d.logAddresses()
	d.notify.Ready()
	group.Go(func() error { return d.notify.Watch(failed, d.watchdog()) })

	var cause error
	over := false
	select {
	case <-ctx.Done():
	case <-failed.Done():
	case cause = <-followed:
		over = true
		if ctx.Err() != nil {
			cause = nil
		}
	}
	d.ending.Store(true)
	d.notify.Stopping()
	if d.activated() {
		// Who connects from now on waits for the next process.
		public.stopAccepting(serving, d.public)
	}
	if cause != nil {
		d.log.Error("the source failed; ending", "error", cause)
	} else {
		d.log.Info("ending")
	}
	stopFollowing()
	grace, cancel := context.WithTimeout(serving, d.cfg.Shutdown.Grace)
	defer cancel()
	if !over {
		<-followed
	}
	d.letGo(grace)
	for _, s := range []*server{public, admin} {
		if s != nil && s.Shutdown(grace) != nil {
			_ = s.Close()
		}
	}
	stopServing()
	err := group.Wait()
	d.Close()
	d.log.Info("ended")
	return errors.Join(cause, ignoreCanceled(err))
}

// Close lets go what New and Listen took. Run does so by itself.
func (d *Daemon) Close() {
	for _, ln := range []net.Listener{d.public, d.admin} {
		if ln != nil {
			_ = ln.Close() // it may be closed already
		}
	}
	if d.pool != nil {
		d.pool.Close()
	}
}

// shedBatches is how many batches the clients are closed in at the end, and
// gatewayBatch how many of the proxied ones are closed at a time.
const (
	shedBatches  = 20
	gatewayBatch = 50
)

// letGo closes the clients' transports over half of the time that is left, so
// that they do not all come to another instance at once.
func (d *Daemon) letGo(ctx context.Context) {
	clients := d.server.IO().Len()
	left := d.cfg.Shutdown.Grace / 2
	if clients < 2*shedBatches {
		left = 0
	}
	var proxied sync.WaitGroup
	if d.gateway != nil {
		proxied.Go(func() { _ = d.gateway.Shutdown(ctx, gatewayBatch, left/shedBatches) })
	}
	err := d.server.IO().Shutdown(ctx, socketio.ShutdownOptions{
		Batch: max(1, (clients+shedBatches-1)/shedBatches), Interval: left / shedBatches,
	})
	proxied.Wait()
	if err != nil {
		d.log.Warn("not all clients could be let go in time", "error", err)
	}
}

func ignoreCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
