package bridge

import (
	"context"
	"log/slog"
	"time"

	"chatbridge/bridge/ops"
	"chatbridge/configs"
	"chatbridge/mapping"
	"chatbridge/source"
	"chatbridge/source/ledgerfile"
	"chatbridge/source/realtime"
)

// realtimeSource is Supabase Realtime with its reconciler.
type realtimeSource struct {
	stream       *realtime.Source
	ledger       *ledgerfile.File // nil for none
	availability availability
}

func newRealtime(cfg *configs.Config, spec *mapping.Spec, key *serviceKey, pw *passwords, log *slog.Logger) (*realtimeSource, error) {
	c := cfg.Source.Realtime
	o := realtime.Options{
		URL: c.URL, KeyFunc: func(context.Context) (string, error) { return key.current(), nil }, DatabaseURL: databaseURL(cfg).Reveal(),
		DatabasePassword:  pw.of(databaseURL),
		ReconcileInterval: c.ReconcileInterval, Window: c.Window,
		// So that a client that connects right after the start is caught up.
		Backfill: max(cfg.Replay.Window, time.Minute),
		Logger:   log,
	}
	for _, t := range spec.Tables() {
		if t.Stream {
			o.Tables = append(o.Tables, followed(&t))
		}
	}
	o.Ledger = newLedgerFile(cfg, c.URL, o.Tables, log)
	stream, err := realtime.New(o)
	if err != nil {
		return nil, err
	}
	key.replaced = stream.KeyReplaced
	return &realtimeSource{stream: stream, ledger: o.Ledger}, nil
}

// followed returns a table of the mapping as the source follows it.
func followed(t *mapping.Table) realtime.Table {
	f := realtime.Table{Schema: t.Schema, Name: t.Name, Key: t.KeyNames()}
	column := func(slot int) string {
		if slot < 0 || t.Columns[slot].Derived() {
			return ""
		}
		return t.Columns[slot].Name
	}
	f.Workspace, f.Conversation = column(t.Workspace), column(t.Conversation)
	if t.Role == "conversation" {
		f.Conversation = column(t.Key)
	}
	return f
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

// graceOfReading is what a comparison may take beyond its interval: it waits that long for the
// stream to bring the differences that it found.
const graceOfReading = 5 * time.Second

// losing says what may be missing or late although changes flow, "" for nothing: what the
// stream loses, once reading back has not succeeded for two intervals; and, for two intervals
// after a comparison found missed rows, rows that the next comparisons will find.
func losing(s realtime.Stats, now time.Time) string {
	r, span := &s.Reconcile, 2*s.Reconcile.Interval
	last := r.LastSuccess
	if last.IsZero() {
		last = s.Since
	}
	switch {
	case !r.FailingSince.IsZero() && now.Sub(r.FailingSince) > span:
		return "what the stream loses is not read back since " + r.FailingSince.UTC().Format(time.RFC3339) + ": " + r.Error
	// An attempt that takes long has not failed yet, and is no success either.
	case !last.IsZero() && now.Sub(last) > span+graceOfReading:
		return "what the stream loses is not read back since " + last.UTC().Format(time.RFC3339) + ": a comparison takes long; see the link to the database and how much there is to read"
	case !r.LastMissed.IsZero() && now.Sub(r.LastMissed) <= span:
		return "the stream loses changes, which come late, when they are read back; mostly because the project's rate limit was passed"
	}
	return ""
}

// Health implements Source.
func (s *realtimeSource) Health() ops.Health {
	now, stats := time.Now(), s.stream.Stats()
	h := ops.Health{
		Kind: configs.KindRealtime, State: ops.State(stats.State), Since: stats.Since.UTC(), Reason: stats.Error,
		Flowing: flows(stats, now), LagBytes: -1, FlowedUntil: s.availability.until(),
		Losing: losing(stats, now),
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
	if h.Flowing {
		s.availability.flows()
	}
	return h
}

// Measure implements Source.
func (s *realtimeSource) Measure(to *ops.Snapshot) {
	stats := s.stream.Stats()
	to.Realtime = &stats
	measureLedger(s.ledger, to)
}
