package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"chatbridge/bridge/access"
	"chatbridge/bridge/api"
	"chatbridge/bridge/auth"
	"chatbridge/bridge/gateway"
	"chatbridge/bridge/logging"
	"chatbridge/bridge/ops"
	"chatbridge/bridge/telemetry"
	"chatbridge/configs"
)

// ReloadFrom reads the configuration anew with load and takes over what can
// change, as SIGHUP asks for; systemd is told before and after. What was
// changed and what takes a restart is logged. After an error all is as it was.
func (d *Daemon) ReloadFrom(load func() (*configs.Config, error)) error {
	d.notify.Reloading()
	defer d.notify.Ready()
	return d.reload.from(load)
}

// Reload takes over from next what can change while the Daemon runs and
// returns the keys of these settings; needsRestart are those that differ and
// cannot. The TLS files are read again in any case. After an error all is as
// it was. Safe for concurrent use.
func (d *Daemon) Reload(next *configs.Config) (changed, needsRestart []string, err error) {
	return d.reload.apply(next)
}

// reload changes the settings of a running Daemon's parts, and counts how often.
type reload struct {
	first     *configs.Config // what New was given: settings that take a restart are as in it
	log       *slog.Logger
	auth      *auth.Authenticator
	api       *api.Server
	gateway   *gateway.Gateway // nil unless in front of ChatEngine
	heads     *heads
	key       *serviceKey
	passwords *passwords
	cert      *certificate // nil without TLS
	exporter  *telemetry.Exporter
	level     func(slog.Level) // sets the log's level; nil where Options.Log is

	mu                sync.Mutex
	current           *configs.Config // nil: first
	succeeded, failed uint64
	broken            error // of the last reload; nil where it succeeded
	last              time.Time
	needsRestart      []string // by the last reload that succeeded
}

// reloadable reports whether a setting can change while the Daemon runs: the secrets of
// tokens, the admitted origins, the operator's token, the databases' and Redis' passwords,
// the limits on clients, the project's service key and anon key, the files of the certificate
// (not whether there is one), the level of the log, and the endpoint of telemetry.
func reloadable(key string, before, after *configs.Config) bool {
	switch key {
	case "tls.cert_file", "tls.key_file":
		return before.TLS.CertFile != "" && after.TLS.CertFile != ""
	case "source.postgres.url":
		return before.Source.Postgres.URL.SameButPassword(after.Source.Postgres.URL)
	case "lookup.url":
		return before.Lookup.URL.SameButPassword(after.Lookup.URL)
	case "cluster.redis_url":
		return sameRedis(before.Cluster.RedisURL.Reveal(), after.Cluster.RedisURL.Reveal())
	case "send.outbox.url":
		return before.Send.Outbox.URL.SameButPassword(after.Send.Outbox.URL)
	}
	return slices.Contains([]string{
		"admin.token", "auth.chatengine_secret", "auth.supabase_secret", "cors.origins", "log.level",
		"limits.connections", "limits.connections_per_address", "limits.unauthenticated", "limits.unauthenticated_per_address",
		"limits.handshakes_per_second", "limits.handshakes_per_address", "limits.requests_per_address", "limits.packets_per_second",
		"limits.queue_packets", "limits.queue_bytes", "limits.write_timeout", "source.realtime.key", "send.anon_key", "otel.endpoint",
	}, key)
}

func (r *reload) from(load func() (*configs.Config, error)) error {
	next, err := load()
	var changed, needsRestart []string
	if err == nil {
		changed, needsRestart, err = r.apply(next)
	}
	r.count(needsRestart, err)
	answer := logging.Answer(context.Background())
	if err != nil {
		r.log.ErrorContext(answer, "the configuration was not reloaded and is kept as it was", "error", err)
		return err
	}
	r.log.InfoContext(answer, "reloaded the configuration", "changed", changed)
	if len(needsRestart) > 0 {
		r.log.WarnContext(answer, "settings have changed that take a restart", "settings", needsRestart)
	}
	LogWarnings(r.log, next)
	return nil
}

// LogWarnings logs the settings of a configuration that are allowed but unwise.
func LogWarnings(log *slog.Logger, c *configs.Config) {
	for _, w := range c.Warnings() {
		log.WarnContext(logging.Answer(context.Background()), "a setting needs attention", "warning", w)
	}
}

func (r *reload) apply(next *configs.Config) (changed, needsRestart []string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	current := r.current
	if current == nil {
		current = r.first
	}
	origins, err := access.NewOrigins(next.CORS.Origins)
	if err != nil {
		return nil, nil, fmt.Errorf("cors.origins: %w", err)
	}
	limits := limitsOf(next.Limits)
	if err := limits.Validate(); err != nil {
		return nil, nil, fmt.Errorf("limits: %w", err)
	}
	var cert *certificate
	if r.cert != nil {
		if cert, err = newCertificate(next.TLS, r.log); err != nil {
			return nil, nil, err
		}
	}
	if err := r.auth.SetSecrets(reveal(next.Auth.ChatEngineSecrets), reveal(next.Auth.SupabaseSecrets)); err != nil {
		return nil, nil, err
	}
	if err := r.api.SocketIO().SetLimits(limits); err != nil {
		return nil, nil, err // never: they are valid
	}
	if err := r.exporter.SetEndpoint(next.OTel.Endpoint); err != nil {
		return nil, nil, fmt.Errorf("otel.endpoint: %w", err) // never: configs judged it
	}
	if r.gateway != nil {
		r.gateway.SetLimits(gatewayLimits(next.Limits, r.first.Limits.Payload))
	}
	r.heads.set(next.Limits.UnauthenticatedPerAddress)
	r.api.SetRequestsPerAddress(next.Limits.RequestsPerAddress)
	r.api.SetOrigins(origins)
	r.key.replace(next.Source.Realtime.Key)
	r.passwords.now.Store(next)
	if cert != nil {
		r.cert.adopt(cert)
	}
	if r.level != nil {
		r.level(next.Log.Level)
	}
	r.current = next
	for _, key := range configs.Changed(current, next) {
		if reloadable(key, r.first, next) {
			changed = append(changed, key)
		}
	}
	for _, key := range configs.Changed(r.first, next) {
		if !reloadable(key, r.first, next) {
			needsRestart = append(needsRestart, key)
		}
	}
	return changed, needsRestart, nil
}

// config returns the configuration of the last reload that succeeded, or of the start.
func (r *reload) config() *configs.Config {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current != nil {
		return r.current
	}
	return r.first
}

func (r *reload) count(needsRestart []string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broken = err
	if err != nil {
		r.failed++
		return
	}
	r.succeeded++
	r.needsRestart, r.last = needsRestart, time.Now()
}

func (r *reload) snapshot(started time.Time) ops.Reload {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := ops.Reload{Succeeded: r.succeeded, Failed: r.failed, OK: r.broken == nil, Last: r.last, NeedsRestart: r.needsRestart}
	if r.broken != nil {
		s.Error = r.broken.Error()
	}
	if s.Last.IsZero() {
		s.Last = started
	}
	return s
}
