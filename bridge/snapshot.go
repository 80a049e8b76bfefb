package bridge

import (
	"time"

	"chatbridge/bridge/ops"
)

// Snapshot gathers what /status and /metrics show. It may be called from any
// goroutine; it waits for the Hub's lock.
func (d *Daemon) Snapshot() ops.Snapshot {
	s := ops.Snapshot{
		Taken: time.Now(), Build: d.build, Started: d.started,
		Ready: d.readiness(), Source: d.source.Health(),
		Pipeline: d.pipeline.Stats(), Hub: d.api.Hub().Stats(), Sockets: d.api.SocketIO().Stats(),
		API: d.api.Stats(), Auth: d.auth.Stats(), DescriptorsRefused: d.descriptors.refused.Load(),
		Reload: d.reload.snapshot(d.started), Warnings: d.warnings.Lines(),
	}
	d.source.Measure(&s)
	if d.gateway != nil {
		g := d.gateway.Stats()
		s.Gateway = &g
	}
	if d.lines != nil {
		s.Log = d.lines.Stats()
	}
	if d.cert != nil {
		s.CertificateExpires = d.cert.expires()
	}
	return s
}

// readiness is the answer of /readyz.
func (d *Daemon) readiness() ops.Readiness {
	if d.ending.Load() {
		return ops.Stopping()
	}
	return ops.Judge(d.source.Health(), d.cfg.Health.Grace, time.Now())
}
