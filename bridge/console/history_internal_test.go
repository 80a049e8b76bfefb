package console

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chatbridge/bridge/api"
	"chatbridge/bridge/ops"
	"chatbridge/docs"
	"chatbridge/internal/histogram"
	"chatbridge/mapping/contract"
)

// flowing is a Snapshot of a bridge that does well.
func flowing(started time.Time) ops.Snapshot {
	s := ops.Snapshot{
		Taken: time.Now(), Started: started, Build: ops.Build{Version: "v1"}, Reload: ops.Reload{OK: true, Last: started},
		Source: ops.Health{Kind: "postgres", State: ops.StateStreaming, Flowing: true, Since: started, FlowedUntil: time.Now(), LagBytes: 0},
	}
	s.Ready = ops.ReadinessOf(s.Source, time.Minute, s.Taken)
	return s
}

// runConsole runs a Console for a test in a bubble; end stops it.
func runConsole(t *testing.T, snapshot func() ops.Snapshot) (c *Console, end func()) {
	t.Helper()
	c = New(Options{
		Snapshot: snapshot, Docs: docs.Files,
		Clients: func() []api.ClientInfo { return nil }, Close: func(string) bool { return false },
		Check: func(context.Context) []Finding { return nil },
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	return c, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// get asks a handler, and decodes the answer.
func get[T any](t *testing.T, h http.Handler, path string) (body T) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	if w.Code != http.StatusOK {
		t.Fatalf("GET %s: %d %s", path, w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatalf("GET %s: %v: %s", path, err, w.Body)
	}
	return body
}

type historyAnswer struct {
	Last   uint64
	At     []int64
	Series map[string][]*float64
}

// TestHistoryIsTheLastHour: a sample each 5 s, an hour of them, and to whoever has some
// what came since. Rates are what passed, and what is not known is null.
func TestHistoryIsTheLastHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		var looks uint64
		c, end := runConsole(t, func() ops.Snapshot {
			looks++
			s := flowing(started)
			s.Hub.Published[contract.Message] = 10 * looks
			s.Sockets.Sockets = 7
			s.Pipeline.Delay = histogram.Snapshot{Bounds: []time.Duration{time.Millisecond, time.Second}, Counts: []uint64{looks * 100, 0, 0}}
			return s
		})
		defer end()
		h := c.Handler(May{})
		time.Sleep(time.Minute - time.Millisecond)
		synctest.Wait()
		first := get[historyAnswer](t, h, "/console/history")
		if len(first.At) != 12 || first.Last != 12 {
			t.Fatalf("%d samples after a minute, the last %d", len(first.At), first.Last)
		}
		for name, want := range map[string]float64{"message": 10, "conversation": 0, "clients": 7, "p50": .0005, "p99": .00099, "level": 0} {
			v := first.Series[name]
			if len(v) != 12 || v[11] == nil || math.Abs(*v[11]-want) > 1e-9+want/1000 {
				t.Errorf("%s: %v, want %g at the end", name, v, want)
			}
		}
		for _, name := range []string{"held", "proxied"} {
			if v := first.Series[name]; v[11] != nil {
				t.Errorf("%s is %g, and nobody knows it", name, *v[11])
			}
		}
		if v := first.Series["message"][0]; v != nil {
			t.Errorf("the first sample has a rate: %g", *v)
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		all := get[historyAnswer](t, h, "/console/history")
		if span := all.At[len(all.At)-1] - all.At[0]; len(all.At) != 720 || span != (time.Hour-step).Milliseconds() {
			t.Errorf("%d samples of %d ms", len(all.At), span)
		}
		time.Sleep(2 * step)
		synctest.Wait()
		path := "/console/history?after=" + strconv.FormatUint(all.Last, 10)
		if more := get[historyAnswer](t, h, path); len(more.At) != 2 || more.At[0] <= all.At[719] || more.Last != all.Last+2 {
			t.Errorf("%d samples after number %d, the last %d", len(more.At), all.Last, more.Last)
		}
		if more := get[historyAnswer](t, h, "/console/history?after=99999999"); len(more.At) != 720 {
			t.Errorf("%d samples for who knows a number of another process", len(more.At))
		}
	})
}

// TestShortTroubleIsInTheHistory: what was wrong between two samples is in the next.
func TestShortTroubleIsInTheHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		c, end := runConsole(t, func() ops.Snapshot {
			s := flowing(started)
			if time.Since(started) == 22*time.Second {
				s.Source.State, s.Source.Flowing, s.Source.Reason = ops.StateBlocked, false, "no such slot"
			}
			return s
		})
		defer end()
		time.Sleep(31 * time.Second)
		synctest.Wait()
		h := get[historyAnswer](t, c.Handler(May{}), "/console/history")
		for i, want := range []float64{0, 0, 0, 0, 0, 3, 0} {
			if got := *h.Series["level"][i]; got != want {
				t.Errorf("sample %d has level %g, want %g", i, got, want)
			}
		}
	})
}

// TestRefusalsOfTheLastHour: those before it are in the sum alone.
func TestRefusalsOfTheLastHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started, refused := time.Now(), uint64(5)
		c, end := runConsole(t, func() ops.Snapshot {
			s := flowing(started)
			s.API.TokensRefused = map[string]uint64{"token_expired": refused}
			return s
		})
		defer end()
		list := func() Refusal {
			t.Helper()
			synctest.Wait()
			r := get[struct{ Refusals []Refusal }](t, c.Handler(May{}), "/console/state").Refusals
			if len(r) != 1 || r[0].Of != "token" || r[0].Reason != "token_expired" || r[0].Runbook != "bridgetokensrefused" || !strings.Contains(r[0].Meaning, "time is over") {
				t.Fatalf("%+v", r)
			}
			return r[0]
		}
		time.Sleep(30 * time.Minute)
		if r := list(); r.Total != 5 || r.Hour != 5 {
			t.Errorf("half an hour after the start: %+v", r)
		}
		time.Sleep(time.Hour)
		refused = 7
		time.Sleep(2 * time.Second)
		if r := list(); r.Total != 7 || r.Hour != 2 {
			t.Errorf("an hour later: %+v", r)
		}
	})
}

// BenchmarkLook is what the page costs each second, but for the Snapshot itself.
func BenchmarkLook(b *testing.B) {
	s := flowing(time.Now())
	c := New(Options{Docs: docs.Files, Snapshot: func() ops.Snapshot { return s }})
	w := watcher{c: c}
	b.ReportAllocs()
	for b.Loop() {
		w.poll()
	}
}
