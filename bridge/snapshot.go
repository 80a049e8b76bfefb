package bridge

import (
	"time"

	"chatbridge/bridge/ops"
)

// measured is a Source that has more to show than its health.
type measured interface {
	measure(*ops.Snapshot)
}

func (s *postgresSource) measure(m *ops.Snapshot) {
	stats := s.stream.Stats()
	m.Postgres = &stats
}

func (s *realtimeSource) measure(m *ops.Snapshot) {
	stats := s.stream.Stats()
	m.Realtime = &stats
}

// Snapshot gathers what /status and /metrics show. It may be called from any
// goroutine; it waits for the Hub's lock.
func (d *Daemon) Snapshot() ops.Snapshot {
	p := d.pipeline.Stats()
	s := ops.Snapshot{
		Taken: time.Now(), Build: d.build, Started: d.started,
		Ready: d.readiness(), Source: d.source.Health(),
		Pipeline: ops.Pipeline{Delay: ops.Histogram(p.Delay), Gaps: p.Gaps, LastGap: p.LastGap, Mapping: p.Mapping},
		Hub:      d.server.Hub().Stats(), Sockets: d.server.IO().Stats(), Auth: d.auth.Stats(),
		Clients: ops.Clients{TokensExpired: d.server.expired.Load(), DescriptorsRefused: d.descriptors.refused.Load()},
		Reload:  d.reloads.snapshot(d.started), Warnings: d.warnings.Lines(),
	}
	s.Clients.TokensRefused, s.Clients.EventsRefused = d.server.refused()
	if m, ok := d.source.(measured); ok {
		m.measure(&s)
	}
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
