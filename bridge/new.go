package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"chatbridge/bridge/gateway"
	"chatbridge/bridge/hub"
	"chatbridge/bridge/logging"
	"chatbridge/bridge/ops"
	"chatbridge/bridge/pipeline"
	"chatbridge/bridge/systemd"
	"chatbridge/bridge/telemetry"
	"chatbridge/configs"
	"chatbridge/mapping"
	"chatbridge/mapping/engine"
	"chatbridge/mapping/lookup"
	"chatbridge/socketio"
)

// Options is what a Daemon is given beside its configuration.
type Options struct {
	// Build is the program's version, as /status shows it.
	Build ops.Build
	// Memory is the limit of the process, as /status shows it.
	Memory ops.Memory
	// Logger gets the Daemon's lines; it may be nil if Log is set.
	Logger *slog.Logger
	// Log is the log that Logger writes to. The Daemon runs it, changes its level at a
	// Reload and shows its counters; nil: none of these.
	Log *logging.Log
	// Listeners are the sockets that systemd passed, nil for none. Listen takes the
	// public and the admin socket from them, by the names `public` and `admin`, in
	// place of the configured addresses.
	Listeners *systemd.Listeners
	// Front wraps all that the public listener serves, except for the refusals that keep a
	// reserve of file descriptors; nil for none. It is for demonstration programs: no
	// setting of the daemon sets it.
	Front func(next http.Handler) http.Handler
}

// New wires a Daemon from its configuration. It connects to nothing and binds
// nothing: an error is one of the configuration. The caller calls Run or Close.
func New(cfg *configs.Config, opts Options) (_ *Daemon, err error) {
	log := opts.Logger
	if log == nil {
		log = opts.Log.Logger()
	}
	d := &Daemon{
		cfg: cfg, log: log, notify: systemd.NewNotifier(log),
		descriptors: newDescriptors(log), heads: newHeads(cfg.Limits.UnauthenticatedPerAddress, cfg.Proxies.Trusted, log), listeners: listeners{log: log, inherited: opts.Listeners}, front: opts.Front,
	}
	defer func() {
		if err != nil {
			d.Close()
		}
	}()
	spec, err := mapping.Load(cfg.Mapping.Preset, cfg.Mapping.File)
	if err != nil {
		return nil, err
	}
	key, warnings := new(serviceKey), ops.NewWarnings(log)
	key.replace(cfg.Source.Realtime.Key)
	d.passwords = newPasswords(cfg)
	lookups, err := d.newPool(lookupPoolSize)
	if err != nil {
		return nil, err
	}
	project := newRESTClients()
	find, keepWarm, err := newLookup(cfg, lookups, spec, key, project, warnings)
	if err != nil {
		return nil, err
	}
	membership := newMembership(cfg, log)
	if d.source, err = newSource(cfg, spec, key, d.passwords, membership, warnings, log); err != nil {
		return nil, err
	}
	members, err := d.newPool(membersPoolSize)
	if err != nil {
		return nil, err
	}
	authenticator, err := newAuthenticator(cfg, members, key, log)
	if err != nil {
		return nil, err
	}
	tables, farOff, err := d.newFar(spec, key, project)
	if err != nil {
		return nil, err
	}
	conversations := newConversations(cfg, members, spec, key)
	if d.sender, err = d.newSender(spec, conversations, tables, log); err != nil {
		return nil, err
	}
	if d.api, err = newAPI(cfg, apiParts{
		auth: authenticator, membership: membership, tables: tables, left: d.leftUpstreamSince,
		conversations: conversations, sender: d.sender, source: sourceState{d.source}, cluster: clusterOf(d.source),
	}, log); err != nil {
		return nil, err
	}
	d.descriptors.admitsOrigin = d.api.AdmitsOrigin
	d.pipeline = pipeline.New(spec, engine.Options{
		Lookup: find, Warn: warnings.Row, EventBytes: int(cfg.Limits.Event),
		RememberRows: cfg.Lookup.Entries, RememberBytes: int(cfg.Lookup.Bytes),
	}, d.api.Hub(), log)
	d.pipeline.NameMessages(messageNames(cfg))
	d.pipeline.Observe(d.sender.Observe)
	d.exporter, err = telemetry.New(cfg.OTel.Endpoint, telemetry.Options{
		Version: opts.Build.Version, Metrics: ops.Gatherer(d.Snapshot), Logger: log,
	})
	if err != nil {
		return nil, fmt.Errorf("otel.endpoint: %w", err)
	}
	d.pipeline.Follow(d.exporter.Follower())
	var memberships pipeline.Memberships = d.api
	joined := clusterOf(d.source)
	if joined != nil {
		joined.api, joined.pipeline, joined.sender, joined.advertise = d.api, d.pipeline, d.sender, d.advertised
		d.pipeline.Replicate(replica{joined.node})
		memberships = replicaMembers{replica{joined.node}, d.api}
	}
	if membership != nil {
		d.pipeline.FollowMembers(membership.table, memberships)
	}
	d.progress.Handler = d.pipeline
	restTables, err := d.newREST(spec, authenticator)
	if err != nil {
		return nil, err
	}
	if d.gateway, err = newGateway(cfg, d.api, d.sender, d.rest, sourceState{d.source}, log); err != nil {
		return nil, err
	}
	if joined != nil {
		joined.gateway = d.gateway
	}
	cert, err := newCertificate(cfg.TLS, log)
	if err != nil {
		return nil, err
	}
	d.listeners.cert = cert
	d.reload = &reload{first: cfg, log: log, auth: authenticator, api: d.api, gateway: d.gateway, heads: d.heads, key: key, passwords: d.passwords, cert: cert, exporter: d.exporter}
	d.parts = []func(context.Context) error{authenticator.Run, d.api.Run, d.sender.Run, d.exporter.Run}
	if cfg.Cluster.Role != configs.RoleEdge { // an edge looks nothing up
		d.parts = append(d.parts, keepWarm)
	}
	if joined != nil {
		d.parts = append(d.parts, joined.run)
	}
	if d.gateway != nil {
		d.parts = append(d.parts, d.gateway.Run)
	}
	if tables != nil {
		d.parts = append(d.parts, tables.Run)
	}
	if opts.Log != nil {
		d.parts = append(d.parts, opts.Log.Run)
		d.reload.level = opts.Log.SetLevel
	}
	d.observer = &observer{
		cfg: cfg, build: opts.Build, memory: opts.Memory, started: time.Now(), source: d.source, pipeline: d.pipeline, api: d.api,
		auth: authenticator, tables: tables, farOff: farOff, rest: d.rest, restTables: restTables, sender: d.sender, gateway: d.gateway,
		log: opts.Log, cert: cert, warnings: warnings,
		descriptors: d.descriptors, heads: d.heads, reload: d.reload, exporter: d.exporter,
	}
	d.console = d.newConsole()
	d.parts = append(d.parts, d.console.Run, func(ctx context.Context) error { return d.observer.wrongTokens.Run(ctx, d.log) })
	return d, nil
}

// messageNames returns the ids under which clients are given messages, by
// replay.message_ids. Without a gateway no client comes from ChatEngine, and auto means the
// rows' ids.
func messageNames(cfg *configs.Config) pipeline.Names {
	switch {
	case cfg.Replay.MessageIDs == configs.MessageIDsProvider:
		return pipeline.ChatEngineIDs
	case cfg.Replay.MessageIDs == configs.MessageIDsAuto && cfg.Gateway.Upstream != "":
		return pipeline.ClientsIDs
	}
	return pipeline.RowIDs
}

// leftUpstreamSince returns since when a client may lack what ChatEngine sent, by its private
// id: the time that the gateway noted, else the earliest possible one; zero if the client was
// not at ChatEngine, as far as its id tells.
func (d *Daemon) leftUpstreamSince(pid string) time.Time {
	since := gateway.UpstreamSince(pid)
	if d.gateway != nil {
		if since = d.gateway.LeftUpstreamSince(pid); since.IsZero() && pid != "" && socketio.SessionBegan(pid).IsZero() {
			return gateway.Unknown // an id of ChatEngine's own
		}
	}
	if since.Equal(gateway.Unknown) && gateway.OfUpstream(pid) {
		// The client cannot have lost ChatEngine before it first came there.
		if o, err := hub.ParseOffset(gateway.Since(nil, pid)); err == nil && !o.Commit.IsZero() {
			return o.Commit
		}
	}
	return since
}

// serviceKey is the key of the Supabase project, which a reload replaces.
type serviceKey struct {
	key atomic.Pointer[configs.Secret]
	// replaced, unless nil, is called after the key was replaced by another. It is set
	// before the Daemon runs.
	replaced func()
}

// current returns the key as it is now. Safe for concurrent use.
func (k *serviceKey) current() string { return k.key.Load().Reveal() }

// replace puts a key in. Safe for concurrent use.
func (k *serviceKey) replace(key configs.Secret) {
	before := k.key.Swap(&key)
	if before != nil && *before != key && k.replaced != nil {
		k.replaced()
	}
}

// newSource returns the source that the configuration asks for.
func newSource(cfg *configs.Config, spec *mapping.Spec, key *serviceKey, pw *passwords, m *membership, w *ops.Warnings, log *slog.Logger) (Source, error) {
	if cfg.Source.Kind == configs.KindRealtime {
		return newRealtime(cfg, spec, key, pw, log)
	}
	if cfg.Cluster.Name == "" {
		return newPostgres(cfg, spec, pw, m, w, nil, log)
	}
	s, err := joinCluster(cfg, spec, pw, log)
	if err != nil {
		return nil, err
	}
	inner, err := newPostgres(cfg, spec, pw, m, w, s.follow, log)
	if err == nil && cfg.Cluster.Role != configs.RoleEdge {
		s.inner = inner
	}
	return s, err
}

// databaseURL is where lookups and memberships are read; empty without a database.
func databaseURL(cfg *configs.Config) configs.DSN {
	if cfg.Lookup.URL != "" {
		return cfg.Lookup.URL
	}
	return cfg.Source.Postgres.URL
}

// lookupPoolSize bounds the connections for lookups: one that asks, and one more while a
// failed one is being closed. Memberships have a pool of their own, so that connecting
// clients do not keep the pipeline waiting.
const lookupPoolSize = 2

// newPool returns a pool that the Daemon closes, nil without a database's address.
func (d *Daemon) newPool(size int) (*pgxpool.Pool, error) {
	dsn := databaseURL(d.cfg)
	if dsn == "" {
		return nil, nil
	}
	pool, err := lookup.NewPool(dsn.Reveal(), lookup.PoolOptions{
		MaxConns: size, ConnectTimeout: d.cfg.Source.Postgres.ConnectTimeout, Password: d.passwords.of(databaseURL),
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dsn, err)
	}
	d.pools = append(d.pools, pool)
	return pool, nil
}

// newLookup returns what looks up values that rows lack: by SQL where there is a
// database, else by the project's PostgREST; nil where there is neither. run keeps the
// connections ready.
func newLookup(cfg *configs.Config, pool *pgxpool.Pool, spec *mapping.Spec, key *serviceKey, project *restClients, w *ops.Warnings) (find engine.Lookup, run func(context.Context) error, err error) {
	switch url := cfg.Source.Realtime.URL; {
	case pool != nil:
		l := lookup.NewSQL(pool, spec, cfg.Lookup.Timeout)
		l.Warn(w.Lookup)
		return l, l.Run, nil
	case url != "":
		l, err := lookup.NewPostgREST(url, key.current, project.lookups, spec, cfg.Lookup.Timeout)
		if err != nil {
			return nil, nil, err
		}
		return l, l.Run, nil
	}
	return nil, func(context.Context) error { return nil }, nil
}
