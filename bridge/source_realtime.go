package bridge

import (
	"context"
	"log/slog"
	"time"

	"chatbridge/bridge/ops"
	"chatbridge/configs"
	"chatbridge/mapping"
	"chatbridge/source"
	"chatbridge/source/realtime"
)

// realtimeSource is Supabase Realtime with its reconciler.
type realtimeSource struct {
	stream       *realtime.Source
	availability availability
}

func newRealtime(cfg *configs.Config, spec *mapping.Spec, key *serviceKey, log *slog.Logger) (*realtimeSource, error) {
	c := cfg.Source.Realtime
	o := realtime.Options{
		URL: c.URL, KeyFunc: func(context.Context) (string, error) { return key.current(), nil }, DatabaseURL: databaseURL(cfg).Reveal(),
		ReconcileInterval: c.ReconcileInterval, Window: c.Window,
		// What a client that connects right after the start is caught up on.
		Backfill: max(cfg.Replay.Window, time.Minute),
		Logger:   log,
	}
	for _, t := range spec.Tables() {
		if t.Stream {
			table := realtime.Table{Schema: t.Schema, Name: t.Name}
			for _, c := range t.KeyParts() {
				table.Key = append(table.Key, c.Name)
			}
			o.Tables = append(o.Tables, table)
		}
	}
	stream, err := realtime.New(o)
	if err != nil {
		return nil, err
	}
	return &realtimeSource{stream: stream}, nil
}

// Run implements Source.
func (s *realtimeSource) Run(ctx context.Context, h source.Handler) error {
	flowing := func(now time.Time) bool { return flows(s.stream.Stats(), now) }
	return s.availability.during(ctx, flowing, func() error { return s.stream.Run(ctx, h) })
}

// flows tells whether changes arrive: by the stream, or late but surely by the
// reconciler.
func flows(s realtime.Stats, now time.Time) bool {
	reconciled := !s.Reconcile.LastSuccess.IsZero() && now.Sub(s.Reconcile.LastSuccess) < 2*s.Reconcile.Interval+time.Second
	return s.State == realtime.StateLive || reconciled
}

// Health implements Source.
func (s *realtimeSource) Health() ops.Health {
	now, stats := time.Now(), s.stream.Stats()
	h := ops.Health{
		Kind: configs.KindRealtime, State: ops.State(stats.State), Since: stats.Since.UTC(), Reason: stats.Error,
		Flowing: flows(stats, now), LagBytes: -1, FlowedUntil: s.availability.until(),
	}
	for _, c := range stats.Channels {
		if h.Reason == "" && c.Error != "" {
			h.Reason = c.Table + ": " + c.Error
		}
	}
	if h.Reason == "" && stats.Reconcile.Error != "" {
		h.Reason = stats.Reconcile.Error
	}
	if !stats.LastChange.IsZero() {
		last := stats.LastChange.UTC()
		h.LastTransaction = &last
	}
	return h
}

// Measure implements Source.
func (s *realtimeSource) Measure(to *ops.Snapshot) {
	stats := s.stream.Stats()
	to.Realtime = &stats
}
