package bridge

import (
	"chatbridge/bridge/logging"
	"chatbridge/bridge/ops"
	"chatbridge/bridge/systemd"
)

// UseLog makes l, whose Logger New was given, the Daemon's to steer: Run runs
// it, Reload sets its level and /metrics shows its counts. Call it before Run.
func (d *Daemon) UseLog(l *logging.Log) {
	d.lines, d.reload.lines = l, l
	d.parts = append(d.parts, l.Run)
}

// UseListeners makes Listen take the public and the admin socket from l where
// it has them, by the names `public` and `admin`, in place of the configured
// addresses. Call it before Listen.
func (d *Daemon) UseListeners(l *systemd.Listeners) { d.listeners.inherited = l }

// logAddresses says where it serves, as the listeners report it.
func (d *Daemon) logAddresses() {
	attrs := []any{"address", d.listeners.public.Addr().String(), "path", d.cfg.Path, "tls", d.cert != nil, "version", d.build.Version}
	if d.listeners.admin != nil {
		attrs = append(attrs, "admin", d.listeners.admin.Addr().String())
	}
	d.log.Info("serving", attrs...)
}

// watchdog is the Daemon as systemd watches it.
func (d *Daemon) watchdog() ops.Watchdog {
	return ops.Watchdog{Snapshot: d.Snapshot, Progress: &d.progress}
}
