package bridge

import (
	"context"
	"time"

	"chatbridge/bridge/ops"
	"chatbridge/configs"
	"chatbridge/mapping"
	"chatbridge/source"
	"chatbridge/source/realtime"
)

// realtimeSource is Supabase Realtime with its reconciler.
type realtimeSource struct {
	stream *realtime.Source
	flow   flow
}

func (d *Daemon) newRealtime(spec *mapping.Spec) (*realtimeSource, error) {
	c := d.cfg.Source.Realtime
	o := realtime.Options{
		URL: c.URL, KeyFunc: func(context.Context) (string, error) { return d.serviceKey(), nil }, DatabaseURL: d.databaseURL().Reveal(),
		ReconcileInterval: c.ReconcileInterval, Window: c.Window,
		// What a client that connects right after the start is caught up on.
		Backfill: max(d.cfg.Replay.Window, time.Minute),
		Logger:   d.log,
	}
	for _, t := range spec.Tables() {
		if t.Stream {
			o.Tables = append(o.Tables, realtime.Table{Schema: t.Schema, Name: t.Name, Key: []string{t.Columns[t.Key].Name}})
		}
	}
	stream, err := realtime.New(o)
	if err != nil {
		return nil, err
	}
	s := &realtimeSource{stream: stream}
	d.parts = append(d.parts, func(ctx context.Context) error {
		return s.flow.watch(ctx, func(now time.Time) bool { return flows(s.stream.Stats(), now) })
	})
	return s, nil
}

// Run implements Source.
func (s *realtimeSource) Run(ctx context.Context, h source.Handler) error {
	return s.stream.Run(ctx, h)
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
		Flowing: flows(stats, now), LagBytes: -1, FlowedUntil: s.flow.until(),
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
