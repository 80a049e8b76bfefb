package bridge

import (
	"context"
	"sync/atomic"
	"time"

	"chatbridge/configs"
	"chatbridge/mapping"
	"chatbridge/source"
	"chatbridge/source/postgres"
)

// postgresSource is logical replication, with the publication seen to before
// it begins.
type postgresSource struct {
	daemon *Daemon
	spec   *mapping.Spec
	stream *postgres.Source
	flow   flow
	// accepted is set before the stream runs.
	accepted accepted
	// preparing is what the source waits for before there is a stream.
	preparing atomic.Pointer[SourceHealth]
}

// maxRetry is the longest pause between two attempts to connect. Short, for
// clients wait meanwhile, and one attempt in 5 s costs a server nothing.
const maxRetry = 5 * time.Second

// holderSilence is how long the bridge that holds the slot may be silent before
// the one that stands by takes it: it reports every second, and the clients
// give up after some ten seconds.
const holderSilence = 2500 * time.Millisecond

func (d *Daemon) newPostgres(spec *mapping.Spec) (*postgresSource, error) {
	c := d.cfg.Source.Postgres
	o := postgres.Options{
		URL: c.URL.Reveal(), Publication: c.Publication, Slot: c.Slot, MaxLag: uint64(c.MaxLag),
		Retain: d.cfg.Replay.Window, Memory: memory(d.cfg.Replay.StateFile, d.log), Logger: d.log,
		Connect: c.ConnectTimeout, Ping: c.PingInterval, Watch: c.WatchInterval,
		MaxRetry: maxRetry, HolderTimeout: holderSilence,
	}
	for _, t := range spec.Tables() {
		if t.Stream {
			o.Tables = append(o.Tables, t.Schema+"."+t.Name)
		}
	}
	if c.Create == configs.CreateNever {
		o.Create = postgres.CreateNothing
	}
	s := &postgresSource{daemon: d, spec: spec}
	o.Inspect = s.inspect
	var err error
	if s.stream, err = postgres.New(o); err != nil {
		return nil, err
	}
	d.parts = append(d.parts, func(ctx context.Context) error { return s.flow.watch(ctx, s.flows) })
	return s, nil
}

// Run sees to the publication and follows it.
func (s *postgresSource) Run(ctx context.Context, h source.Handler) error {
	if err := s.prepare(ctx); err != nil {
		return err
	}
	return s.stream.Run(ctx, h)
}

func (s *postgresSource) flows(time.Time) bool {
	stats := s.stream.Stats()
	return stats.State == postgres.Streaming && len(stats.Faults) == 0
}

// Health implements Source.
func (s *postgresSource) Health() SourceHealth {
	if h := s.preparing.Load(); h != nil {
		return *h
	}
	stats := s.stream.Stats()
	h := SourceHealth{
		Kind: configs.KindPostgres, State: stats.State.String(), Since: stats.Since.UTC(), Reason: stats.Reason,
		Flowing: stats.State == postgres.Streaming, LagBytes: int64(stats.LagBytes), Lag: stats.Lag.Seconds(),
		FlowedUntil: s.flow.until(), ReplacedValues: stats.Replaced,
	}
	if f := stats.LastError; f != nil && !h.Flowing {
		h.Remedy = f.Remedy
	}
	if h.Flowing && len(stats.Faults) > 0 {
		// The stream is well and brings not what it should: clients are not
		// served well here, from this moment on.
		f := stats.Faults[0]
		h.State, h.Reason, h.Remedy = postgres.Blocked.String(), f.What, f.Remedy
		h.Flowing, h.FlowedUntil = false, time.Time{}
	}
	if !stats.LastCommit.IsZero() {
		last := stats.LastCommit.UTC()
		h.LastTransaction = &last
	}
	return h
}
