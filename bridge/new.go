package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"chatbridge/bridge/ops"
	"chatbridge/bridge/pipeline"
	"chatbridge/bridge/systemd"
	"chatbridge/configs"
	"chatbridge/mapping"
	"chatbridge/mapping/lookup"
)

// New wires a Daemon from its configuration. It connects to nothing and binds
// nothing: an error is one of the configuration. Run it, or Close it.
func New(cfg *configs.Config, build ops.Build, log *slog.Logger) (d *Daemon, err error) {
	d = &Daemon{
		cfg: cfg, build: build, log: log, started: time.Now(),
		warnings: ops.NewWarnings(log), notify: systemd.NewNotifier(log),
		descriptors: newDescriptors(log), listeners: listeners{log: log},
	}
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
	key := new(serviceKey)
	key.Store(&cfg.Source.Realtime.Key)
	if d.pool, err = newPool(cfg); err != nil {
		return d, err
	}
	find, err := newLookup(cfg, d.pool, spec, key)
	if err != nil {
		return d, err
	}
	if d.source, err = newSource(cfg, spec, key, d.warnings, log); err != nil {
		return d, err
	}
	if d.auth, err = newAuthenticator(cfg, d.pool, key, log); err != nil {
		return d, err
	}
	if d.api, err = newAPI(cfg, d.auth, sourceState{d.source}, log); err != nil {
		return d, err
	}
	d.pipeline = pipeline.New(spec, mapping.Options{
		Lookup: find, Warn: d.warnings.Row, EventBytes: int(cfg.Limits.Event),
		RememberRows: cfg.Lookup.Entries, RememberBytes: int(cfg.Lookup.Bytes),
	}, d.api.Hub(), log)
	if d.gateway, err = newGateway(cfg, d.api, sourceState{d.source}, log); err != nil {
		return d, err
	}
	if d.cert, err = newCertificate(cfg.TLS, log); err != nil {
		return d, err
	}
	d.reload = reload{first: cfg, log: log, auth: d.auth, api: d.api, key: key, cert: d.cert}
	d.parts = []func(context.Context) error{d.auth.Run, d.api.Run}
	if d.gateway != nil {
		d.parts = append(d.parts, d.gateway.Run)
	}
	return d, nil
}

// serviceKey is the key of the Supabase project, which a reload replaces.
type serviceKey struct{ atomic.Pointer[configs.Secret] }

// current returns the key as it is now. Safe for concurrent use.
func (k *serviceKey) current() string { return k.Load().Reveal() }

// newSource returns the source that the configuration asks for.
func newSource(cfg *configs.Config, spec *mapping.Spec, key *serviceKey, w *ops.Warnings, log *slog.Logger) (Source, error) {
	if cfg.Source.Kind == configs.KindRealtime {
		return newRealtime(cfg, spec, key, log)
	}
	return newPostgres(cfg, spec, w, log)
}

// databaseURL is where lookups and memberships are read; empty without a database.
func databaseURL(cfg *configs.Config) configs.DSN {
	if cfg.Lookup.URL != "" {
		return cfg.Lookup.URL
	}
	return cfg.Source.Postgres.URL
}

// poolSize bounds the connections for lookups and memberships. One serves
// the pipeline, the others the connecting clients.
const poolSize = 4

// newPool returns the pool for lookups and memberships, nil without a
// database's address.
func newPool(cfg *configs.Config) (*pgxpool.Pool, error) {
	dsn := databaseURL(cfg)
	if dsn == "" {
		return nil, nil
	}
	pool, err := lookup.NewPool(dsn.Reveal(), lookup.PoolOptions{MaxConns: poolSize, ConnectTimeout: cfg.Source.Postgres.ConnectTimeout})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dsn, err)
	}
	return pool, nil
}

// newLookup finds what rows lack: by SQL where there is a database, else by
// the project's PostgREST; nil where there is neither.
func newLookup(cfg *configs.Config, pool *pgxpool.Pool, spec *mapping.Spec, key *serviceKey) (mapping.Lookup, error) {
	switch url := cfg.Source.Realtime.URL; {
	case pool != nil:
		return lookup.NewSQL(pool, spec, cfg.Lookup.Timeout), nil
	case url != "":
		return lookup.NewPostgREST(url, key.current, http.DefaultClient, spec, cfg.Lookup.Timeout)
	}
	return nil, nil
}
