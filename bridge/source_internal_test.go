package bridge

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"chatbridge/bridge/ops"
	"chatbridge/source"
	"chatbridge/source/postgres"
)

// ailing is a Source whose health a test sets.
type ailing struct{ health atomic.Pointer[ops.Health] }

func (a *ailing) Run(ctx context.Context, _ source.Handler) error { <-ctx.Done(); return nil }
func (a *ailing) Health() ops.Health                              { return *a.health.Load() }
func (a *ailing) Measure(*ops.Snapshot)                           {}
func (a *ailing) set(h ops.Health)                                { a.health.Store(&h) }

// TestCaughtUp: a source that is behind, by bytes or by time, or does not flow,
// has not read all.
func TestCaughtUp(t *testing.T) {
	for name, c := range map[string]struct {
		health   ops.Health
		caughtUp bool
	}{
		"not flowing":      {ops.Health{}, false},
		"behind by bytes":  {ops.Health{Flowing: true, LagBytes: caughtUpBytes + 1}, false},
		"behind by time":   {ops.Health{Flowing: true, LagBytes: caughtUpBytes, Lag: 1}, false},
		"behind by little": {ops.Health{Flowing: true, LagBytes: caughtUpBytes, Lag: 0.9}, true},
	} {
		a := new(ailing)
		a.set(c.health)
		if got := (sourceState{a}).CaughtUp(); got != c.caughtUp {
			t.Errorf("%s: caught up is %v", name, got)
		}
	}
}

// TestFreshness: the log holds what was committed before a moment when a later
// transaction was read, or nothing has come for a while.
func TestFreshness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		since := time.Now()
		before, after := since.Add(-time.Second), since.Add(time.Second)
		time.Sleep(2 * time.Second)
		a := new(ailing)
		for name, c := range map[string]struct {
			health ops.Health
			fresh  bool
		}{
			"nothing came":       {ops.Health{Flowing: true}, false},
			"an earlier one":     {ops.Health{Flowing: true, LastTransaction: &before}, false},
			"a later one":        {ops.Health{Flowing: true, LastTransaction: &after}, true},
			"a later one, late":  {ops.Health{Flowing: true, LastTransaction: &after, Lag: 2}, false},
			"a later one, other": {ops.Health{LastTransaction: &after}, false},
		} {
			a.set(c.health)
			if (sourceState{a}).Fresh(since) != c.fresh {
				t.Errorf("%s: fresh is %v", name, !c.fresh)
			}
		}
		a.set(ops.Health{Flowing: true, LastTransaction: &before})
		time.Sleep(quietAfter - 2*time.Second)
		if !(sourceState{a}).Fresh(since) {
			t.Error("a quiet database is not fresh")
		}
	})
}

// TestRemedyIsOfTheState that the stream is in: one that stands by, or connects after it was
// blocked, has nothing to be mended.
func TestRemedyIsOfTheState(t *testing.T) {
	t.Parallel()
	const remedy = "ALTER ROLE crm REPLICATION;"
	for state, want := range map[postgres.State]string{
		postgres.Blocked: remedy, postgres.Retrying: remedy, postgres.Failed: remedy,
		postgres.Standby: "", postgres.Connecting: "", postgres.Streaming: "",
	} {
		if got := remedyOf(&postgres.Stats{State: state, LastError: &postgres.Failure{Remedy: remedy}}); got != want {
			t.Errorf("%v: %q", state, got)
		}
	}
}
