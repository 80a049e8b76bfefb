package bridge

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"chatbridge/bridge/gateway"
	"chatbridge/bridge/ops"
	"chatbridge/source"
)

// ailing is a Source whose health a test sets.
type ailing struct{ health atomic.Pointer[ops.Health] }

func (a *ailing) Run(ctx context.Context, _ source.Handler) error { <-ctx.Done(); return nil }
func (a *ailing) Health() ops.Health                              { return *a.health.Load() }
func (a *ailing) set(h ops.Health)                                { a.health.Store(&h) }

// waiting is a daemon that has nothing but a source and its start.
func waiting(h ops.Health) (*Daemon, *ailing) {
	a := new(ailing)
	a.set(h)
	return &Daemon{source: a, started: time.Now(), refilled: make(chan struct{})}, a
}

// ask sends a request through a handler and returns where its code will be, 0
// until there is an answer.
func ask(t *testing.T, handler func(http.Handler) http.Handler, target string, header ...string) *atomic.Int32 {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	for _, name := range header {
		r.Header.Set(name, "1")
	}
	var code atomic.Int32
	served := handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	go func() {
		w := httptest.NewRecorder()
		served.ServeHTTP(w, r)
		code.Store(int32(w.Code))
	}()
	synctest.Wait()
	return &code
}

const (
	newSession  = "/api/ws/?EIO=4&transport=polling"
	openSession = newSession + "&sid=br-1"
)

// TestSessionsWaitForTheLog: as long as the source is behind, by bytes or by
// time, or does not flow.
func TestSessionsWaitForTheLog(t *testing.T) {
	for name, behind := range map[string]ops.Health{
		"not flowing":     {Flowing: false},
		"behind by bytes": {Flowing: true, LagBytes: freshBytes + 1},
		"behind by time":  {Flowing: true, LagBytes: freshBytes, Lag: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, a := waiting(behind)
				done := make(chan error, 1)
				go func() { done <- d.awaitRefill(t.Context()) }()
				code := ask(t, d.afterRefill, newSession)
				time.Sleep(refillPatience - time.Second)
				synctest.Wait()
				if c := code.Load(); c != 0 {
					t.Fatalf("a session was answered %d before the log was filled", c)
				}
				a.set(ops.Health{Flowing: true, LagBytes: freshBytes, Lag: 0.9})
				time.Sleep(refillLook)
				synctest.Wait()
				if c := code.Load(); c != http.StatusOK {
					t.Errorf("after the log was filled a session was answered %d", c)
				}
				if err := <-done; err != nil {
					t.Error(err)
				}
				// From then on nobody waits, whatever becomes of the source.
				a.set(behind)
				if c := ask(t, d.afterRefill, newSession).Load(); c != http.StatusOK {
					t.Errorf("later a session was answered %d", c)
				}
			})
		})
	}
}

// TestSessionsWaitNoLongerThanPatience: where there is no database.
func TestSessionsWaitNoLongerThanPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := waiting(ops.Health{})
		done := make(chan struct{})
		go func() { defer close(done); _ = d.awaitRefill(t.Context()) }()
		time.Sleep(2 * time.Second)
		code := ask(t, d.afterRefill, newSession)
		time.Sleep(refillPatience - 2*time.Second - time.Millisecond)
		synctest.Wait()
		if c := code.Load(); c != 0 {
			t.Fatalf("answered %d before patience was over", c)
		}
		time.Sleep(refillLook + time.Millisecond)
		synctest.Wait()
		if c := code.Load(); c != http.StatusOK {
			t.Errorf("answered %d after patience was over", c)
		}
		select {
		case <-done:
		default:
			t.Error("it waits on")
		}
	})
}

// TestOpenSessionsDoNotWait: a poll of a session that is open is none of this.
func TestOpenSessionsDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := waiting(ops.Health{})
		if c := ask(t, d.afterRefill, openSession).Load(); c != http.StatusOK {
			t.Errorf("a poll was answered %d", c)
		}
	})
}

// TestFeedsWaitForTheLog: the gateway's own are refused, and asked again by it;
// others are not concerned.
func TestFeedsWaitForTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, a := waiting(ops.Health{Flowing: true, LagBytes: freshBytes + 1})
		if c := ask(t, d.filled, newSession, gateway.CatchUpHeader).Load(); c != http.StatusServiceUnavailable {
			t.Errorf("a feed was answered %d while the log was not filled", c)
		}
		if c := ask(t, d.filled, newSession).Load(); c != http.StatusOK {
			t.Errorf("a client was answered %d", c)
		}
		a.set(ops.Health{Flowing: true})
		if c := ask(t, d.filled, newSession, gateway.CatchUpHeader).Load(); c != http.StatusOK {
			t.Errorf("a feed was answered %d after the log was filled", c)
		}
	})
}

// TestStandbyRefusesNewSessionsOnly: open ones are let go in batches.
func TestStandbyRefusesNewSessionsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, a := waiting(ops.Health{State: ops.StateStandby})
		if c := ask(t, d.active, newSession).Load(); c != http.StatusServiceUnavailable {
			t.Errorf("a new session was answered %d", c)
		}
		if c := ask(t, d.active, openSession).Load(); c != http.StatusOK {
			t.Errorf("a poll was answered %d", c)
		}
		a.set(ops.Health{State: "streaming", Flowing: true})
		if c := ask(t, d.active, newSession).Load(); c != http.StatusOK {
			t.Errorf("a new session was answered %d by a bridge that serves", c)
		}
	})
}

// TestFreshness: the log holds what was committed before a moment when a later
// transaction was read, or nothing has come for a while.
func TestFreshness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		since := time.Now()
		before, after := since.Add(-time.Second), since.Add(time.Second)
		time.Sleep(2 * time.Second)
		d, a := waiting(ops.Health{})
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
			if d.fresh(since) != c.fresh {
				t.Errorf("%s: fresh is %v", name, !c.fresh)
			}
		}
		a.set(ops.Health{Flowing: true, LastTransaction: &before})
		time.Sleep(quietAfter - 2*time.Second)
		if !d.fresh(since) {
			t.Error("a quiet database is not fresh")
		}
	})
}
