package bridge

import (
	"time"

	"chatbridge/bridge/hub"
	"chatbridge/bridge/metrics"
	"chatbridge/mapping"
)

// measured is a Source that has more to show than its health.
type measured interface {
	measure(*metrics.Snapshot)
}

func (s *postgresSource) measure(m *metrics.Snapshot) {
	stats := s.stream.Stats()
	m.Postgres = &stats
}

func (s *realtimeSource) measure(m *metrics.Snapshot) {
	stats := s.stream.Stats()
	m.Realtime = &stats
}

// Metrics takes what /metrics shows. It may be called from any goroutine.
func (d *Daemon) Metrics() metrics.Snapshot {
	now := time.Now()
	health := d.source.Health()
	_, ready := judge(health, d.cfg.Health.Grace, now)
	pipeline, feeding := d.pipeline.Stats(), d.api.Hub().Stats()
	authStats, refused := d.auth.Stats(), d.api.Stats()
	s := metrics.Snapshot{
		Build:   metrics.Build{Version: d.build.Version, Commit: d.build.Commit, Go: d.build.Go},
		Started: d.started, Ready: ready && !d.ending.Load(), Source: sourceMetrics(health, pipeline.Gaps, now),
		Delay: metrics.Histogram(pipeline.Delay), Events: published(feeding), Mapping: pipeline.Mapping,
		Clients: metrics.Clients{
			CatchingUp: feeding.Catching, CaughtUp: feeding.CaughtUp,
			Pauses: feeding.Pauses, Paused: feeding.Paused,
			LockLongest: feeding.LockLongest, LockHeld: feeding.LockHeld,
			Expired: refused.Expired, DescriptorsRefused: d.descriptors.refused.Load(),
		},
		Sockets: d.api.SocketIO().Stats(), Replay: feeding.Replay, Auth: &authStats,
		Reload: d.reload.snapshot(d.started),
	}
	s.Sockets.Sockets -= int64(feeding.Feeds) // the gateway's own are no clients
	s.Clients.CatchUps, s.Clients.Gaps = feeding.ByReason()
	s.Clients.TokensRefused, s.Clients.EventsRefused = refused.TokensRefused, refused.EventsRefused
	if m, ok := d.source.(measured); ok {
		m.measure(&s)
	}
	if d.gateway != nil {
		g := d.gateway.Stats()
		s.Gateway = &g
	}
	if d.lines != nil {
		s.Log = metrics.Log(d.lines.Stats())
	}
	if d.cert != nil {
		s.CertificateExpires = d.cert.expires()
	}
	return s
}

// sourceMetrics: while the source is away, it lags by as long as that.
func sourceMetrics(h SourceHealth, gaps uint64, now time.Time) metrics.Source {
	m := metrics.Source{
		Kind: h.Kind, State: h.State, Flowing: h.Flowing, Gaps: gaps,
		LagBytes: h.LagBytes, Lag: time.Duration(h.Lag * float64(time.Second)),
	}
	if h.LagBytes < 0 {
		m.Lag = -1 // Realtime does not tell
	}
	if !h.Flowing {
		m.Lag = -1
		if !h.FlowedUntil.IsZero() {
			m.Lag = now.Sub(h.FlowedUntil)
		}
	}
	if h.LastTransaction != nil {
		m.LastTransaction = *h.LastTransaction
	}
	return m
}

func published(h hub.Stats) map[string]uint64 {
	events := make(map[string]uint64, len(h.Published))
	for kind := mapping.Message; kind <= mapping.Typing; kind++ {
		events[kind.String()] = h.Published[kind]
	}
	return events
}
