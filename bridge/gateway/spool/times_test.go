package spool_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chatbridge/bridge/gateway/spool"
)

// simulate runs f in a bubble, where a day takes no time.
func simulate(t *testing.T, o spool.Options, script func(w *spool.Webhook, n int) answer, f func(r *running, e *engine)) {
	t.Helper()
	o.Dir = t.TempDir() + "/spool" // outside the bubble
	synctest.Test(t, func(t *testing.T) {
		e := newEngine()
		e.answer = script
		r := start(t, o, e)
		f(r, e)
		r.end()
	})
}

// within reports whether d is about want, which jitter spreads by a quarter.
func within(d, want time.Duration) bool { return d >= want-want/4 && d <= want+want/4 }

// TestRetriesDouble: after a failure that may be its own, a webhook waits for 1 s, then
// twice as long each time, up to five minutes, and is a dead letter after twelve.
func TestRetriesDouble(t *testing.T) {
	t.Parallel()
	for name, fails := range map[string]answer{"500": {status: 500}, "broken": {broken: true}, "408": {status: 408}} {
		t.Run(name, func(t *testing.T) {
			simulate(t, options(), func(*spool.Webhook, int) answer { return fails }, func(r *running, e *engine) {
				r.SetWell(true)
				r.keep("a", "a1")
				time.Sleep(3 * time.Hour)
				at := e.times("a1")
				if len(at) != 12 {
					t.Fatalf("%d attempts, want 12: %v", len(at), at)
				}
				for i := 1; i < len(at); i++ {
					want := min(time.Second<<(i-1), 5*time.Minute)
					if d := at[i] - at[i-1]; !within(d, want) {
						t.Errorf("pause %d was %v, want about %v", i, d, want)
					}
				}
				if s := r.Stats(); s.Dead != 1 || s.Waiting != 0 || s.Died != 1 {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

// TestAnAbsentChatEngineCostsNoAttempts: however long it is away, nothing becomes a dead
// letter; it is asked every 30 s at most, and at once when it is well again.
func TestAnAbsentChatEngineCostsNoAttempts(t *testing.T) {
	t.Parallel()
	away := true
	for name, is := range map[string]answer{"refused": {away: true}, "a proxy's 503": {status: 503}, "502": {status: 502}, "429": {status: 429}} {
		t.Run(name, func(t *testing.T) {
			away = true
			simulate(t, options(), func(*spool.Webhook, int) answer {
				if away {
					return is
				}
				return answer{status: 200}
			}, func(r *running, e *engine) {
				r.SetWell(true)
				r.keep("a", "a1")
				r.keep("b", "b1")
				time.Sleep(2 * time.Hour)
				n := len(e.seen())
				if n < 2*3600/38 || n > 2*3600/20 {
					t.Errorf("%d attempts in two hours", n)
				}
				if s := r.Stats(); s.Waiting != 2 || s.Dead != 0 {
					t.Errorf("%+v", s)
				}
				r.SetWell(false)
				time.Sleep(time.Hour)
				if m := len(e.seen()); m != n {
					t.Errorf("%d attempts at a ChatEngine that is known to be down", m-n)
				}
				away = false
				back := time.Since(e.start)
				r.SetWell(true)
				synctest.Wait()
				if at := e.times("b1"); r.Stats().Waiting != 0 || len(at) != 1 || at[0] != back {
					t.Errorf("sent at %v, was back at %v; %+v", at, back, r.Stats())
				}
			})
		})
	}
}

// TestRetryAfterIsHonoured, in seconds and as a date, and not for ever.
func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		asks   func() string
		least  time.Duration
		most   time.Duration
	}{
		"429":      {429, func() string { return "90" }, 90 * time.Second, 91 * time.Second},
		"a date":   {503, func() string { return time.Now().Add(10 * time.Minute).UTC().Format(time.RFC1123) }, 590 * time.Second, 601 * time.Second},
		"500":      {500, func() string { return "77" }, 77 * time.Second, 78 * time.Second},
		"a year":   {429, func() string { return "31536000" }, time.Hour, time.Hour + time.Minute},
		"no sense": {429, func() string { return "soon" }, 750 * time.Millisecond, 1250 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, options(), func(w *spool.Webhook, n int) answer {
				if n == 1 {
					asks := strings.Replace(c.asks(), "UTC", "GMT", 1)
					return answer{status: c.status, retryAfter: asks}
				}
				return answer{status: 200}
			}, func(r *running, e *engine) {
				r.SetWell(true)
				r.keep("a", "a1")
				time.Sleep(2 * time.Hour)
				at := e.times("a1")
				if len(at) != 2 || at[1]-at[0] < c.least || at[1]-at[0] > c.most {
					t.Errorf("sent at %v, want %v to %v between", at, c.least, c.most)
				}
			})
		})
	}
}

// TestRate: no more a minute than is set, evenly, so that no minute of ChatEngine's has
// more, whenever it begins.
func TestRate(t *testing.T) {
	t.Parallel()
	o := options()
	o.Rate = 60
	simulate(t, o, nil, func(r *running, e *engine) {
		for range 90 {
			r.keep("a", "x")
		}
		r.SetWell(true)
		time.Sleep(2 * time.Minute)
		at := e.times("x")
		if len(at) != 90 {
			t.Fatalf("%d sent in two minutes", len(at))
		}
		for i := 1; i < len(at); i++ {
			if d := at[i] - at[i-1]; d < 999*time.Millisecond || d > 1100*time.Millisecond {
				t.Fatalf("%v between two", d)
			}
		}
	})
}

// TestOneSendersTroubleIsItsOwn: while one's webhook waits for its next attempt, those
// behind it wait, in order, and others' go out.
func TestOneSendersTroubleIsItsOwn(t *testing.T) {
	t.Parallel()
	simulate(t, options(), func(w *spool.Webhook, n int) answer {
		if string(w.Body) == "a1" && n <= 3 {
			return answer{status: 500}
		}
		return answer{status: 200}
	}, func(r *running, e *engine) {
		for _, b := range []string{"a1", "b1", "a2", "b2", "a3"} {
			r.keep(b[:1], b)
		}
		r.SetWell(true)
		synctest.Wait()
		if got := e.bodies(); got != "a1 b1 b2" {
			t.Errorf("at once: %s", got)
		}
		r.keep("b", "b3")
		time.Sleep(time.Minute)
		if got := e.bodies(); got != "a1 b1 b2 b3 a1 a1 a1 a2 a3" {
			t.Errorf("after a minute: %s", got)
		}
	})
}

// TestTheInstanceNamesTheSender: Evolution API's webhooks all have one path.
func TestTheInstanceNamesTheSender(t *testing.T) {
	t.Parallel()
	simulate(t, options(), func(w *spool.Webhook, n int) answer {
		if n == 1 && strings.Contains(string(w.Body), `"trouble"`) {
			return answer{status: 500}
		}
		return answer{status: 200}
	}, func(r *running, e *engine) {
		for _, b := range []string{`{"instance":"A","n":"trouble"}`, `{"n":2,"instance":"A"}`, `{"instance":{"instanceName":"A"}}`, `{"instance":"B"}`, `none`} {
			r.keep("", b)
		}
		r.SetWell(true)
		synctest.Wait()
		if got := e.bodies(); got != `{"instance":"A","n":"trouble"} {"instance":"B"} none` {
			t.Errorf("at once: %s", got)
		}
	})
}

// TestAge: what waited for too long is a dead letter, and dropped after as long again.
func TestAge(t *testing.T) {
	t.Parallel()
	o := options()
	o.MaxAge = 24 * time.Hour
	simulate(t, o, nil, func(r *running, e *engine) {
		r.keep("a", "old")
		time.Sleep(23 * time.Hour)
		r.keep("a", "new")
		if s := r.Stats(); s.Waiting != 2 || s.OldestAge < 22*time.Hour || s.OldestAge > 24*time.Hour {
			t.Errorf("after 23 h: %+v", s)
		}
		time.Sleep(2 * time.Hour)
		if s := r.Stats(); s.Waiting != 1 || s.Dead != 1 {
			t.Errorf("after 25 h: %+v", s)
		}
		// Sent again by hand, it is as good as new.
		if a := r.order(spool.Order{Do: spool.DoReplay, Dead: true}); a.Number != 1 {
			t.Errorf("%+v", a)
		}
		time.Sleep(20 * time.Hour)
		if s := r.Stats(); s.Waiting != 2 || s.Dead != 0 {
			t.Errorf("after 45 h: %+v", s)
		}
		time.Sleep(24 * time.Hour)
		if s := r.Stats(); s.Waiting != 0 || s.Dead != 2 {
			t.Errorf("after 69 h: %+v", s)
		}
		time.Sleep(30 * time.Hour)
		if s := r.Stats(); s.Waiting+s.Dead != 0 || s.Bytes != 0 || s.Dropped != 2 {
			t.Errorf("after 99 h: %+v", s)
		}
		if len(e.seen()) > 0 {
			t.Error("sent to a ChatEngine that is down")
		}
	})
}

// TestReplayNow: an operator does not wait for a pause to end.
func TestReplayNow(t *testing.T) {
	t.Parallel()
	simulate(t, options(), func(w *spool.Webhook, n int) answer {
		if n < 9 {
			return answer{status: 500}
		}
		return answer{status: 200}
	}, func(r *running, e *engine) {
		r.SetWell(true)
		r.keep("a", "a1")
		time.Sleep(160 * time.Second) // eight attempts by then, and 128 s to the next
		n := len(e.seen())
		if n != 8 {
			t.Fatalf("%d attempts", n)
		}
		r.order(spool.Order{Do: spool.DoReplay})
		synctest.Wait()
		if len(e.seen()) != n+1 || r.Stats().Waiting != 0 {
			t.Errorf("%d attempts; %+v", len(e.seen()), r.Stats())
		}
	})
}
