package bridge

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"chatbridge/bridge/access"
	"chatbridge/bridge/auth"
	"chatbridge/bridge/gateway"
	"chatbridge/bridge/hub"
	"chatbridge/bridge/ops"
	"chatbridge/bridge/replay"
	"chatbridge/bridge/systemd"
	"chatbridge/configs"
	"chatbridge/mapping"
	"chatbridge/mapping/lookup"
	"chatbridge/socketio"
)

// poolSize bounds the connections for lookups and memberships. One serves
// the pipeline, the others the connecting clients.
const poolSize = 4

// New wires a Daemon from its configuration. It connects to nothing and binds
// nothing: an error is one of the configuration. Run it, or Close it.
func New(cfg *configs.Config, build ops.Build, log *slog.Logger) (d *Daemon, err error) {
	d = &Daemon{refilled: make(chan struct{}), descriptors: newDescriptors(log), cfg: cfg, build: build, log: log, started: time.Now(), warnings: ops.NewWarnings(log), notify: systemd.NewNotifier(log)}
	d.key.Store(&cfg.Source.Realtime.Key)
	defer func() {
		if err != nil {
			d.Close()
			d = nil
		}
	}()
	spec, err := mapping.Load(cfg.Mapping.Preset, cfg.Mapping.File)
	if err != nil {
		return d, err
	}
	pool, err := d.database()
	if err != nil {
		return d, err
	}
	fetch, err := d.lookup(pool, spec)
	if err != nil {
		return d, err
	}
	mapper := mapping.New(spec, mapping.Options{
		Lookup: fetch, Warn: d.warnings.Row, EventBytes: int(cfg.Limits.Event),
		LeftOut:      func(workspace, conversation []byte, _ mapping.Kind) { d.pipeline.leftOut(workspace, conversation) },
		RememberRows: cfg.Lookup.Entries, RememberBytes: int(cfg.Lookup.Bytes),
	})
	if err := d.serveWith(pool); err != nil {
		return d, err
	}
	d.parts = append(d.parts, d.letGoOnStandby, d.awaitRefill)
	d.pipeline = NewPipeline(mapper, d.server.Hub(), log)
	if d.source, err = d.newSource(spec); err != nil {
		return d, err
	}
	return d, d.inFront()
}

// newSource makes the source that the configuration asks for.
func (d *Daemon) newSource(spec *mapping.Spec) (Source, error) {
	if d.cfg.Source.Kind == configs.KindRealtime {
		return d.newRealtime(spec)
	}
	return d.newPostgres(spec)
}

// databaseURL is where ordinary questions go; empty without a database.
func (d *Daemon) databaseURL() configs.DSN {
	if d.cfg.Lookup.URL != "" {
		return d.cfg.Lookup.URL
	}
	return d.cfg.Source.Postgres.URL
}

// database returns the pool for lookups and memberships, nil without a
// database's address.
func (d *Daemon) database() (*pgxpool.Pool, error) {
	dsn := d.databaseURL()
	if dsn == "" {
		return nil, nil
	}
	pool, err := lookup.NewPool(dsn.Reveal(), lookup.PoolOptions{MaxConns: poolSize, ConnectTimeout: d.cfg.Source.Postgres.ConnectTimeout})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dsn, err)
	}
	d.pool = pool
	return pool, nil
}

// lookup answers what rows lack: by SQL where there is a database, else by
// the project's PostgREST.
func (d *Daemon) lookup(pool *pgxpool.Pool, spec *mapping.Spec) (mapping.Lookup, error) {
	if pool != nil {
		return lookup.NewSQL(pool, spec, d.cfg.Lookup.Timeout), nil
	}
	rt := d.cfg.Source.Realtime
	if rt.URL == "" {
		return nil, nil
	}
	return lookup.NewPostgREST(rt.URL, d.serviceKey, http.DefaultClient, spec, d.cfg.Lookup.Timeout)
}

// members answers who belongs to which workspace, from the same places.
func (d *Daemon) members(pool *pgxpool.Pool) auth.Members {
	m := d.cfg.Auth.Members
	table := auth.MembersTable{Table: m.Table, UserColumn: m.UserColumn, WorkspaceColumn: m.WorkspaceColumn}
	switch rt := d.cfg.Source.Realtime; {
	case pool != nil:
		return auth.NewSQLMembers(pool, table)
	case rt.URL != "":
		return auth.NewRESTMembers(http.DefaultClient, rt.URL, d.serviceKey, table)
	}
	return nil
}

// serveWith makes the Server: authentication, limits, Hub.
func (d *Daemon) serveWith(pool *pgxpool.Pool) error {
	a := d.cfg.Auth
	authenticator, err := auth.New(auth.Options{
		ChatEngineSecrets: reveal(a.ChatEngineSecrets), SupabaseSecrets: reveal(a.SupabaseSecrets), JWKSURL: a.JWKSURL,
		Issuers: a.Issuers, Audiences: a.Audiences,
		SupabaseIssuers: a.SupabaseIssuers, SupabaseAudiences: a.SupabaseAudiences,
		Leeway: a.Leeway, Members: d.members(pool), MembersTTL: a.Members.CacheTTL, Logger: d.log,
	})
	if err != nil {
		return err
	}
	d.auth = authenticator
	d.parts = append(d.parts, authenticator.Run)
	io, err := d.socketOptions()
	if err != nil {
		return err
	}
	feeding := hub.DefaultOptions()
	feeding.Logger = d.log
	feeding.MaxSubscriptions = d.cfg.Limits.Subscriptions
	feeding.Replay = replay.Options{
		Window: d.cfg.Replay.Window, MaxEvents: d.cfg.Replay.MaxEvents, MaxBytes: int64(d.cfg.Replay.MaxBytes),
	}
	grace := time.Duration(-1)
	if a.OnExpiry == configs.OnExpiryDisconnect {
		grace = a.ExpiryGrace
	}
	d.server, err = NewServer(ServerOptions{
		SocketIO: io, Hub: feeding, ExpiryGrace: grace, QueryToken: a.AllowQueryToken, Logger: d.log,
	}, authenticator)
	return err
}

func reveal(secrets []configs.Secret) []string {
	plain := make([]string, len(secrets))
	for i, s := range secrets {
		plain[i] = s.Reveal()
	}
	return plain
}

// socketOptions are those of the Socket.IO server.
func (d *Daemon) socketOptions() (socketio.Options, error) {
	l := d.cfg.Limits
	o := socketio.DefaultOptions()
	o.Path = d.cfg.Path
	o.SIDPrefix = sidPrefix
	o.PingInterval, o.PingTimeout = d.cfg.Ping.Interval, d.cfg.Ping.Timeout
	o.ConnectTimeout = l.ConnectTimeout
	o.MaxPayload = int(l.Payload)
	o.MaxAttachments = l.Attachments
	o.MaxRooms = l.Subscriptions + ownRooms
	o.MaxConnections = l.Connections
	o.MaxConnectionsPerAddress = l.ConnectionsPerAddress
	o.HandshakesPerSecond = l.HandshakesPerSecond
	o.InboundPacketsPerSecond = l.PacketsPerSecond
	o.QueuePackets, o.QueueBytes = l.QueuePackets, int(l.QueueBytes)
	o.WriteTimeout = l.WriteTimeout
	o.Recovery.MaxDisconnection = max(d.cfg.Replay.Window, time.Second)
	o.Logger = d.log
	trusted := access.Addresses(d.cfg.Proxies.Trusted)
	o.ClientAddress = func(r *http.Request) string { return access.ClientAddr(r, trusted).String() }
	origins, err := access.NewOrigins(d.cfg.CORS.Origins)
	if err != nil {
		return o, fmt.Errorf("cors.origins: %w", err)
	}
	d.origins.Store(origins)
	o.CheckOrigin = d.checkOrigin
	return o, nil
}

// sidPrefix begins every session id of the bridge, so that a load balancer can
// send a polling session's requests back to it: configs/nginx, haproxy, caddy.
const sidPrefix = "br-"

// ownRooms are the rooms of a client that are no subscriptions.
const ownRooms = 2

// holdModes are the gateway's modes by the value of gateway.hold.
var holdModes = map[string]gateway.Mode{
	configs.HoldAuto: gateway.Auto, configs.HoldLocal: gateway.HoldLocal, configs.HoldUpstream: gateway.HoldUpstream,
}

// freshBytes is how much of the server's log may be unread in a source that
// counts as fresh: what a busy server writes between two looks.
const freshBytes = 64 << 10

// quietAfter is how long nothing must have come for a database to count as
// quiet rather than late.
const quietAfter = 3 * time.Second

// fresh tells whether the log holds what was committed before since. A source
// that has just started streams at once, but from the window's start. Where the
// server's clock differs from ours, so does the answer.
func (d *Daemon) fresh(since time.Time) bool {
	if !d.caughtUp() {
		return false
	}
	h := d.source.Health()
	return h.LastTransaction != nil && h.LastTransaction.After(since) || time.Since(since) >= quietAfter
}

// inFront makes the gateway where the bridge stands in front of ChatEngine.
func (d *Daemon) inFront() error {
	c := d.cfg.Gateway
	if c.Upstream == "" {
		return nil
	}
	upstream, err := url.Parse(c.Upstream)
	if err != nil {
		return fmt.Errorf("gateway.upstream: %w", err)
	}
	o := gateway.DefaultOptions()
	o.Upstream, o.Path = upstream, d.cfg.Path
	o.Local, o.Knows, o.Shed = d.admit(d.active(d.filled(d.afterRefill(d.server.IO())))), d.server.IO().Knows, d.server.Shed
	o.HealthPath, o.Interval, o.Timeout = c.HealthPath, c.Interval, c.Timeout
	o.FailAfter, o.HealthyFor = c.FailAfter, c.RecoverAfter
	o.Batch, o.BatchInterval = c.HandbackBatch, c.HandbackInterval
	o.TrustedProxies, o.Logger = d.cfg.Proxies.Trusted, d.log
	o.Fresh, o.CatchUpLate = d.fresh, max(d.cfg.Replay.Window, o.CatchUpWait)
	if d.gateway, err = gateway.New(o); err != nil {
		return err
	}
	d.parts = append(d.parts, d.gateway.Run)
	return d.gateway.Hold(holdModes[c.Hold])
}
