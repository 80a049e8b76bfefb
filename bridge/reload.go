package bridge

import (
	"crypto/tls"
	"fmt"
	"slices"
	"sync"
	"time"

	"chatbridge/bridge/access"
	"chatbridge/bridge/ops"
	"chatbridge/configs"
	"chatbridge/socketio/engineio"
)

// reloadable reports whether a setting can change while the Daemon runs:
// whose tokens and which browsers are believed, what clients may cost, the
// project's service key, the files of the certificate (not whether there is
// one), and the level of the log.
func reloadable(key string, before, after *configs.Config) bool {
	switch key {
	case "tls.cert_file", "tls.key_file":
		return before.TLS.CertFile != "" && after.TLS.CertFile != ""
	}
	return slices.Contains([]string{
		"auth.chatengine_secret", "auth.supabase_secret", "cors.origins", "log.level",
		"limits.connections", "limits.connections_per_address", "limits.handshakes_per_second", "limits.packets_per_second",
		"limits.queue_packets", "limits.queue_bytes", "limits.write_timeout", "source.realtime.key",
	}, key)
}

// reloads counts the readings of the configuration on SIGHUP.
type reloads struct {
	mu                sync.Mutex
	current           *configs.Config // nil: the one that New was given
	succeeded, failed uint64
	broken            bool
	last              time.Time
}

func (r *reloads) snapshot(started time.Time) ops.Reload {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := ops.Reload{Succeeded: r.succeeded, Failed: r.failed, OK: !r.broken, Last: r.last}
	if s.Last.IsZero() {
		s.Last = started
	}
	return s
}

// ReloadFrom reads the configuration anew with load and takes over what can
// change, as SIGHUP asks for; systemd is told before and after. What was
// changed and what takes a restart is logged. After an error all is as it was.
func (d *Daemon) ReloadFrom(load func() (*configs.Config, error)) error {
	d.notify.Reloading()
	defer d.notify.Ready()
	next, err := load()
	var changed, needsRestart []string
	if err == nil {
		changed, needsRestart, err = d.Reload(next)
	}
	d.reloads.mu.Lock()
	d.reloads.broken = err != nil
	if err != nil {
		d.reloads.failed++
	} else {
		d.reloads.succeeded++
		d.reloads.last = time.Now()
	}
	d.reloads.mu.Unlock()
	if err != nil {
		d.log.Error("the configuration was not reloaded and is kept as it was", "error", err)
		return err
	}
	d.log.Info("reloaded the configuration", "changed", changed)
	if len(needsRestart) > 0 {
		d.log.Warn("settings have changed that take a restart", "settings", needsRestart)
	}
	return nil
}

// Reload takes over from next what can change while the Daemon runs and
// returns the keys of these settings; needsRestart are those that differ and
// cannot. The TLS files are read again in any case. After an error all is as
// it was. Safe for concurrent use.
func (d *Daemon) Reload(next *configs.Config) (changed, needsRestart []string, err error) {
	d.reloads.mu.Lock()
	defer d.reloads.mu.Unlock()
	current := d.reloads.current
	if current == nil {
		current = d.cfg
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
	if d.cert != nil && next.TLS.CertFile != "" {
		if cert, err = loadCertificate(next.TLS.CertFile, next.TLS.KeyFile, d.log); err != nil {
			return nil, nil, err
		}
	}
	if err := d.auth.SetSecrets(reveal(next.Auth.ChatEngineSecrets), reveal(next.Auth.SupabaseSecrets)); err != nil {
		return nil, nil, err
	}
	if err := d.server.IO().SetLimits(limits); err != nil {
		return nil, nil, err // never: they are valid
	}
	d.origins.Store(origins)
	d.key.Store(&next.Source.Realtime.Key)
	if cert != nil {
		d.cert.adopt(cert)
	}
	if d.lines != nil {
		d.lines.SetLevel(next.Log.Level)
	}
	d.reloads.current = next
	for _, key := range configs.Changed(current, next) {
		if reloadable(key, d.cfg, next) {
			changed = append(changed, key)
		}
	}
	for _, key := range configs.Changed(d.cfg, next) {
		if !reloadable(key, d.cfg, next) {
			needsRestart = append(needsRestart, key)
		}
	}
	return changed, needsRestart, nil
}

// serviceKey returns the project's service key as it is now.
func (d *Daemon) serviceKey() string { return d.key.Load().Reveal() }

// limitsOf are the limits that can change while the server runs.
func limitsOf(l configs.Limits) engineio.Limits {
	return engineio.Limits{
		MaxConnections: l.Connections, MaxConnectionsPerAddress: l.ConnectionsPerAddress,
		HandshakesPerSecond: l.HandshakesPerSecond, InboundPacketsPerSecond: l.PacketsPerSecond,
		QueuePackets: l.QueuePackets, QueueBytes: int(l.QueueBytes), WriteTimeout: l.WriteTimeout,
	}
}

// adopt makes the files and the certificate of other those of c.
func (c *certificate) adopt(other *certificate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.certFile, c.keyFile = other.certFile, other.keyFile
	c.current, c.stamp, c.failed = other.current, other.stamp, false
}

// expires returns when the certificate in use does.
func (c *certificate) expires() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return leafExpiry(c.current)
}

func leafExpiry(c *tls.Certificate) time.Time {
	if c == nil || c.Leaf == nil {
		return time.Time{}
	}
	return c.Leaf.NotAfter
}
