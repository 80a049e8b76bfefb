package api

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"chatbridge/bridge/gateway"
	"chatbridge/bridge/gateway/handover"
)

// sourceState is a SourceState that a test sets.
type sourceState struct {
	standby, caughtUp atomic.Bool
	hearing           atomic.Uint32
}

func (s *sourceState) Hearing() Hearing { return Hearing(s.hearing.Load()) }
func (s *sourceState) Standby() bool    { return s.standby.Load() }
func (s *sourceState) CaughtUp() bool   { return s.caughtUp.Load() }

func newWarmup() (*warmup, *sourceState) {
	s := new(sourceState)
	return &warmup{source: s, over: make(chan struct{})}, s
}

// ask sends a request through a handler and returns where its code will be, 0
// until there is an answer.
func ask(t *testing.T, handler func(http.Handler) http.Handler, target string, mark ...func(http.Header)) *atomic.Int32 {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	for _, mark := range mark {
		mark(r.Header)
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

// TestSessionsWaitForTheLog: until the source has caught up once.
func TestSessionsWaitForTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, source := newWarmup()
		done := make(chan struct{})
		go func() { defer close(done); u.run(t.Context()) }()
		code := ask(t, u.wait, newSession)
		time.Sleep(warmupTimeout - time.Second)
		synctest.Wait()
		if c := code.Load(); c != 0 {
			t.Fatalf("a session was answered %d before the log was filled", c)
		}
		source.caughtUp.Store(true)
		time.Sleep(warmupPoll)
		synctest.Wait()
		if c := code.Load(); c != http.StatusOK {
			t.Errorf("after the log was filled a session was answered %d", c)
		}
		<-done
		// From then on nobody waits, whatever becomes of the source.
		source.caughtUp.Store(false)
		if c := ask(t, u.wait, newSession).Load(); c != http.StatusOK {
			t.Errorf("later a session was answered %d", c)
		}
	})
}

// TestWarmupTimeout: where there is no database.
func TestWarmupTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, _ := newWarmup()
		done := make(chan struct{})
		go func() { defer close(done); u.run(t.Context()) }()
		time.Sleep(2 * time.Second)
		code := ask(t, u.wait, newSession)
		time.Sleep(warmupTimeout - 2*time.Second - time.Millisecond)
		synctest.Wait()
		if c := code.Load(); c != 0 {
			t.Fatalf("answered %d before the timeout", c)
		}
		time.Sleep(warmupPoll + time.Millisecond)
		synctest.Wait()
		if c := code.Load(); c != http.StatusOK {
			t.Errorf("answered %d after the timeout", c)
		}
		select {
		case <-done:
		default:
			t.Error("it waits on")
		}
	})
}

// TestOpenSessionsDoNotWait: a poll of an open session is served at once.
func TestOpenSessionsDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, _ := newWarmup()
		if c := ask(t, u.wait, openSession).Load(); c != http.StatusOK {
			t.Errorf("a poll was answered %d", c)
		}
	})
}

// TestFeedsWaitForTheLog: the gateway's own are refused, and asked again by it;
// others are not concerned.
func TestFeedsWaitForTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := new(sourceState)
		feeds := (&Server{opts: Options{Source: source}}).refuseFeeds
		if c := ask(t, feeds, newSession, handover.Mark).Load(); c != http.StatusServiceUnavailable {
			t.Errorf("a feed was answered %d while the log was not filled", c)
		}
		forged := func(h http.Header) { h.Set(gateway.CatchUpHeader, "1") }
		if c := ask(t, feeds, newSession, forged).Load(); c != http.StatusOK {
			t.Errorf("a client that pretends to be a feed was answered %d", c)
		}
		if c := ask(t, feeds, newSession).Load(); c != http.StatusOK {
			t.Errorf("a client was answered %d", c)
		}
		source.caughtUp.Store(true)
		if c := ask(t, feeds, newSession, handover.Mark).Load(); c != http.StatusOK {
			t.Errorf("a feed was answered %d after the log was filled", c)
		}
	})
}

// TestStandbyRefusesNewSessionsOnly: open ones are closed in batches.
func TestStandbyRefusesNewSessionsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := new(sourceState)
		standby := (&Server{opts: Options{Source: source}}).refuseOnStandby
		source.standby.Store(true)
		if c := ask(t, standby, newSession).Load(); c != http.StatusServiceUnavailable {
			t.Errorf("a new session was answered %d", c)
		}
		if c := ask(t, standby, openSession).Load(); c != http.StatusOK {
			t.Errorf("a poll was answered %d", c)
		}
		source.standby.Store(false)
		if c := ask(t, standby, newSession).Load(); c != http.StatusOK {
			t.Errorf("a new session was answered %d by a bridge that serves", c)
		}
	})
}
