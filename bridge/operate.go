package bridge

import (
	"fmt"
	"strings"

	"chatbridge/bridge/logging"
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

// Alive tells whether the pipeline moves: it fails if one change has been in
// it since the last call, and does not return while events cannot be
// published at all.
func (d *Daemon) Alive() error {
	// Takes the lock under which events are published.
	d.api.Hub().Stats()
	return d.pulse.look()
}

// StatusLine says in one line how the Daemon is: for `systemctl status`.
func (d *Daemon) StatusLine() string {
	var b strings.Builder
	h := d.source.Health()
	b.WriteString(h.State)
	if h.Flowing && h.LagBytes >= 0 {
		fmt.Fprintf(&b, ", %s behind", bytesText(h.LagBytes))
	}
	if h.Flowing && h.Lag >= 0.001 {
		fmt.Fprintf(&b, " (%.3g s)", h.Lag)
	}
	io := d.api.SocketIO().Stats()
	fmt.Fprintf(&b, "; %d clients (%d websocket, %d polling)", io.WebSocket+io.Polling, io.WebSocket, io.Polling)
	if d.gateway != nil {
		s := d.gateway.Status()
		fmt.Fprintf(&b, "; gateway %s: %s", s.State, s.Reason)
	}
	if !h.Flowing && h.Reason != "" {
		fmt.Fprintf(&b, "; %s", h.Reason)
	}
	return logging.Scrub(b.String())
}

// bytesText is a number of bytes as people read it.
func bytesText(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, names := float64(n)/unit, "KMGTP"
	for value >= unit && len(names) > 1 {
		value, names = value/unit, names[1:]
	}
	return fmt.Sprintf("%.1f %ciB", value, names[0])
}

// watched is the Daemon as systemd watches it.
type watched struct{ d *Daemon }

func (w watched) Alive() error   { return w.d.Alive() }
func (w watched) Status() string { return w.d.StatusLine() }
