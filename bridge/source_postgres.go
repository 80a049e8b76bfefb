package bridge

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"chatbridge/bridge/ops"
	"chatbridge/configs"
	"chatbridge/mapping"
	"chatbridge/source"
	"chatbridge/source/ledgerfile"
	"chatbridge/source/postgres"
	"chatbridge/source/postgres/dial"
	"chatbridge/source/postgres/provision"
	"chatbridge/source/repair"
)

// postgresSource is logical replication. It sets the database up before the stream begins;
// while the stream runs, it has the database inspected.
type postgresSource struct {
	cfg          *configs.Config
	spec         *mapping.Spec
	warnings     *ops.Warnings
	membership   *membership
	passwords    *passwords
	log          *slog.Logger
	stream       *postgres.Source
	repair       *repair.Repair
	ledger       *ledgerfile.File // nil for none
	availability availability
	// accepted is set before the stream runs.
	accepted accepted
	// heldBack is why the server holds changes back although the stream works, nil where it
	// does not.
	heldBack atomic.Pointer[provision.Finding]
	// heldTurned is when heldBack was last set or cleared, nil for never.
	heldTurned atomic.Pointer[time.Time]
	// settingUp is the health while setUp runs, nil otherwise.
	settingUp atomic.Pointer[ops.Health]
}

// maxRetry is the longest pause between two attempts to connect. It is short because
// clients wait meanwhile, and one attempt in 5 s is no load for a server.
const maxRetry = 5 * time.Second

// holderTimeout is how long the bridge that has the slot may be silent before one on
// standby takes the slot. The former reports every second, and clients give up after some
// ten seconds.
const holderTimeout = 2500 * time.Millisecond

// newPostgres returns the source. joined changes its options for a bridge of a cluster; nil
// for another.
func newPostgres(cfg *configs.Config, spec *mapping.Spec, pw *passwords, m *membership, w *ops.Warnings, joined func(*postgres.Options), log *slog.Logger) (*postgresSource, error) {
	c := cfg.Source.Postgres
	o := postgres.Options{
		URL: c.URL.Reveal(), Password: pw.of(sourceURL), Publication: c.Publication, Slot: c.Slot, MaxLag: uint64(c.MaxLag),
		Retain: cfg.Replay.Window, Memory: newStateFile(cfg.Replay.StateFile, log), Logger: log,
		Connect: c.ConnectTimeout, Ping: c.PingInterval, Watch: c.WatchInterval,
		MaxRetry: maxRetry, HolderTimeout: holderTimeout, NoFailover: c.FailoverSlot == configs.FailoverOff,
		Self: dial.Bridge{Cluster: cfg.Cluster.Name}, Exclusive: c.Exclusive,
	}
	for _, t := range spec.Tables() {
		if t.Stream {
			o.Tables = append(o.Tables, t.Schema+"."+t.Name)
		}
	}
	if c.Create == configs.CreateNever {
		o.Create = postgres.CreateNothing
	}
	s := &postgresSource{cfg: cfg, passwords: pw, spec: spec, membership: m, warnings: w, log: log}
	o.Inspect = s.inspect
	if joined != nil {
		joined(&o)
	}
	var err error
	if s.stream, err = postgres.New(o); err != nil {
		return nil, err
	}
	if s.repair, s.ledger, err = newRepair(cfg, spec, pw, log); err != nil {
		return nil, err
	}
	return s, nil
}

// Run sets the database up and follows its changes.
func (s *postgresSource) Run(ctx context.Context, h source.Handler) error {
	return s.availability.during(ctx, s.flows, func() error {
		if err := s.setUp(ctx); err != nil {
			return err
		}
		if s.ledger != nil {
			defer s.repair.Keep(ctx, s.ledger, s.cfg.Replay.Window)()
		}
		return s.stream.Run(ctx, s.repair.Handler(ctx, h))
	})
}

func (s *postgresSource) flows(time.Time) bool {
	stats := s.stream.Stats()
	return stats.State == postgres.Streaming && len(stats.Faults) == 0 && s.heldBack.Load() == nil
}

// Health implements Source.
func (s *postgresSource) Health() ops.Health {
	if h := s.settingUp.Load(); h != nil {
		return *h
	}
	stats := s.stream.Stats()
	h := ops.Health{
		Kind: configs.KindPostgres, State: ops.State(stats.State.String()), Since: stats.Since.UTC(), Reason: stats.Reason,
		Flowing: stats.State == postgres.Streaming, LagBytes: int64(stats.LagBytes), Lag: stats.Lag.Seconds(),
		FlowedUntil: s.availability.until(), ReplacedValues: stats.Replaced,
	}
	for _, b := range stats.Rivals {
		h.Rivals = append(h.Rivals, b.Named())
	}
	h.Remedy = remedyOf(&stats)
	if h.Flowing && len(stats.Faults) > 0 {
		// The stream works but lacks changes: this bridge is not ready, and health.grace
		// does not apply.
		f := stats.Faults[0]
		h.State, h.Reason, h.Remedy = ops.StateBlocked, f.What, f.Remedy
		h.Flowing, h.NoGrace = false, true
	} else if held := s.heldBack.Load(); held != nil && h.Flowing {
		h.State, h.Reason, h.Remedy = ops.StateBlocked, held.What+": "+held.Meaning, held.Fix
		h.Flowing, h.NoGrace = false, true
	}
	if stats.State == postgres.Streaming {
		h.Since = s.turned(&stats).UTC()
	}
	if !stats.LastCommit.IsZero() {
		last := stats.LastCommit.UTC()
		h.LastTransaction = &last
	}
	if h.Flowing {
		s.availability.flows()
	}
	return h
}

// remedyOf returns what to do about the stream's state; "" in states that no failure leads to,
// where LastError is of an earlier state.
func remedyOf(stats *postgres.Stats) string {
	switch stats.State {
	case postgres.Retrying, postgres.Blocked, postgres.Failed:
		if stats.LastError != nil {
			return stats.LastError.Remedy
		}
	}
	return ""
}

// turned returns since when a working stream has brought all changes, or has failed to.
func (s *postgresSource) turned(stats *postgres.Stats) time.Time {
	since := stats.Since
	if stats.FaultsTurned.After(since) {
		since = stats.FaultsTurned
	}
	if at := s.heldTurned.Load(); at != nil && at.After(since) {
		since = *at
	}
	return since
}

// Measure implements Source.
func (s *postgresSource) Measure(to *ops.Snapshot) {
	stats, repaired := s.stream.Stats(), s.repair.Stats()
	to.Postgres, to.Repair = &stats, &repaired
	measureLedger(s.ledger, to)
}
