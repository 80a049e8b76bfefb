package realtime

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chatbridge/source"
	"chatbridge/source/ledgerfile"
)

// life is a Source between a start and an end of the process, without a stream.
type life struct {
	compared
	// end ends it; what it has is in the file then.
	end func()
}

// lives runs f, which begins one life after the other, in a world of its own time.
func lives(t *testing.T, f func(t *testing.T, path string, begin func(*shelf, func(*Options)) *life)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ledger")
	synctest.Test(t, func(t *testing.T) {
		f(t, path, func(s *shelf, change func(*Options)) *life {
			l := &life{compared: compared{shelf: s, taken: &taker{}}}
			o := Options{
				URL: "https://ref.example.test", Key: "sb_secret_x", Reader: s,
				Tables: []Table{{Schema: "public", Name: "messages", Workspace: "workspace", Conversation: "workspace"}},
				Ledger: ledgerfile.New(ledgerfile.Options{Path: path, Identity: "the project", Tables: []string{"public.messages"}}),
			}
			if change != nil {
				change(&o)
			}
			var err error
			if l.Source, err = New(o); err != nil {
				t.Fatal(err)
			}
			l.publish = &publisher{s: l.Source, h: l.taken}
			stop := l.keep(t.Context())
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); _ = l.publish.run(ctx) }()
			l.end = func() { cancel(); <-done; stop() }
			time.Sleep(time.Second)
			l.gap(nil, gapStart)
			return l
		})
	})
}

// set changes the status of a row without its time.
func (s *shelf) set(id, status string) {
	for _, row := range s.rows {
		if string(row["id"]) == fmt.Sprintf("%q", id) {
			row["status"] = []byte(fmt.Sprintf("%q", status))
		}
	}
}

// TestAStopWithinTheWindow: what is committed meanwhile is published by the first
// comparison, and nobody is told of a gap.
func TestAStopWithinTheWindow(t *testing.T) {
	t.Parallel()
	lives(t, func(t *testing.T, _ string, begin func(*shelf, func(*Options)) *life) {
		s := &shelf{page: 1000}
		s.put("old", "sent", time.Now().Add(-3*time.Hour))
		s.put("untouched", "sent", time.Now().Add(-2*time.Hour))
		l := begin(s, nil)
		l.pass(t)
		time.Sleep(time.Hour)
		s.put("streamed", "sent", time.Now())
		l.pass(t)
		time.Sleep(10 * time.Minute) // since then nothing has happened
		l.pass(t)
		l.end()
		end := time.Now()
		s.put("first second", "sent", time.Now().Add(time.Second))
		time.Sleep(9 * time.Hour)
		s.set("old", "read")
		l = begin(s, nil)
		l.pass(t)
		if first := time.UnixMicro(int64(l.taken.first)); first.After(end.Add(-2*time.Minute)) || first.Before(end.Add(-3*time.Minute)) {
			t.Errorf("the first position is that of %s; clients that left at %s, or up to Backfill before, lack nothing", first, end)
		}
		want := []string{"update old read", "update first second sent", "insert first second sent"}
		if !slices.Equal(l.taken.keys, want) || len(l.taken.gaps) > 0 {
			t.Errorf("published %q with gaps %v, want %q", l.taken.keys, l.taken.gaps, want)
		}
		l.taken.keys = nil
		l.pass(t)
		if len(l.taken.keys) > 0 {
			t.Errorf("the next comparison published %q", l.taken.keys)
		}
		l.end()
	})
}

// TestAStopLongerThanTheWindow: what it hides is told of, since the last comparison.
func TestAStopLongerThanTheWindow(t *testing.T) {
	t.Parallel()
	lives(t, func(t *testing.T, _ string, begin func(*shelf, func(*Options)) *life) {
		s := &shelf{page: 1000}
		l := begin(s, nil)
		l.pass(t)
		time.Sleep(time.Hour)
		last := time.Now()
		l.pass(t)
		time.Sleep(time.Minute)
		l.end()
		time.Sleep(25 * time.Hour)
		s.put("within", "sent", time.Now().Add(-23*time.Hour))
		l = begin(s, nil)
		l.pass(t)
		if want := []string{"update within sent", "insert within sent"}; !slices.Equal(l.taken.keys, want) {
			t.Errorf("published %q, want %q", l.taken.keys, want)
		}
		if len(l.taken.gaps) != 1 {
			t.Fatalf("told of %v", l.taken.gaps)
		}
		g := l.taken.gaps[0]
		if g.Since.After(last) || last.Sub(g.Since) > 5*time.Second || time.Since(g.Until) > time.Second || !strings.Contains(g.Reason, "window") {
			t.Errorf("told of %+v, want since %s", g, last)
		}
		l.end()
		// Told once.
		l = begin(s, nil)
		l.pass(t)
		if len(l.taken.gaps) > 0 {
			t.Errorf("told again: %v", l.taken.gaps)
		}
		l.end()
	})
}

// TestAFirstStartIsNoGap: nor does it publish what was there before, Backfill apart.
func TestAFirstStartIsNoGap(t *testing.T) {
	t.Parallel()
	lives(t, func(t *testing.T, _ string, begin func(*shelf, func(*Options)) *life) {
		s := &shelf{page: 1000}
		s.put("old", "sent", time.Now().Add(-3*time.Hour))
		s.put("recent", "sent", time.Now().Add(-time.Minute))
		l := begin(s, nil)
		l.pass(t)
		if want := []string{"update recent sent", "insert recent sent"}; !slices.Equal(l.taken.keys, want) || len(l.taken.gaps) > 0 {
			t.Errorf("published %q, gaps %v; want %q", l.taken.keys, l.taken.gaps, want)
		}
		l.end()
	})
}

// TestALedgerOfNoUse: what it would have told is told of as a gap, and the start is like
// a first one otherwise.
func TestALedgerOfNoUse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil  func(path string) error
		change func(*Options)
		since  bool
		reason string
		stays  bool // is of no use at later starts either
	}{
		// The mark of the store is still there, so it is known to be the bridge's.
		"damaged": {spoil: func(path string) error {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for i := 64; i < len(text); i++ {
				text[i] = 'x'
			}
			return os.WriteFile(path, text, 0o600)
		}, reason: "ledger"},
		"somebody else's": {
			spoil:  func(path string) error { return os.WriteFile(path, []byte(strings.Repeat("x", 20_000)), 0o600) },
			reason: "no file of the bridge's", stays: true,
		},
		"of other columns": {
			change: func(o *Options) { o.Tables[0].Watch = []string{"status", "workspace"} },
			since:  true, reason: "columns of public.messages",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lives(t, func(t *testing.T, path string, begin func(*shelf, func(*Options)) *life) {
				s := &shelf{page: 1000}
				s.put("old", "sent", time.Now().Add(-3*time.Hour))
				l := begin(s, nil)
				last := time.Now()
				l.pass(t)
				l.end()
				if c.spoil != nil {
					if err := c.spoil(path); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(10 * time.Minute)
				s.set("old", "read")
				l = begin(s, c.change)
				l.pass(t)
				if len(l.taken.gaps) != 1 || len(l.taken.keys) > 0 {
					t.Fatalf("gaps %v, published %q", l.taken.gaps, l.taken.keys)
				}
				g := l.taken.gaps[0]
				if !strings.Contains(g.Reason, c.reason) || g.Since.IsZero() == c.since || c.since && last.Sub(g.Since) > 5*time.Second {
					t.Errorf("told of %+v", g)
				}
				l.end()
				s.set("old", "failed")
				l = begin(s, c.change)
				l.pass(t)
				if c.stays {
					if len(l.taken.keys) > 0 || len(l.taken.gaps) != 1 || !strings.Contains(l.taken.gaps[0].Reason, c.reason) {
						t.Errorf("then published %q, gaps %v; want a gap again", l.taken.keys, l.taken.gaps)
					}
					l.end()
					return
				}
				// From then on it is of use.
				if want := []string{"update old failed"}; !slices.Equal(l.taken.keys, want) || len(l.taken.gaps) > 0 {
					t.Errorf("then published %q, gaps %v; want %q", l.taken.keys, l.taken.gaps, want)
				}
				l.end()
			})
		})
	}
}

// TestAnEmptyLedger: it counts as none, so the start is a first one.
func TestAnEmptyLedger(t *testing.T) {
	t.Parallel()
	lives(t, func(t *testing.T, path string, begin func(*shelf, func(*Options)) *life) {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		s := &shelf{page: 1000}
		s.put("old", "sent", time.Now().Add(-3*time.Hour))
		l := begin(s, nil)
		l.pass(t)
		if len(l.taken.keys) > 0 || len(l.taken.gaps) > 0 {
			t.Errorf("published %q, gaps %v", l.taken.keys, l.taken.gaps)
		}
		l.end()
		s.set("old", "read")
		l = begin(s, nil)
		l.pass(t)
		if want := []string{"update old read"}; !slices.Equal(l.taken.keys, want) || len(l.taken.gaps) > 0 {
			t.Errorf("then published %q, gaps %v; want %q", l.taken.keys, l.taken.gaps, want)
		}
		l.end()
	})
}

// TestARestartWithATableWithoutTimes: what happened to it meanwhile cannot be told, and
// that is told, since the last comparison.
func TestARestartWithATableWithoutTimes(t *testing.T) {
	t.Parallel()
	lives(t, func(t *testing.T, _ string, begin func(*shelf, func(*Options)) *life) {
		s := &shelf{page: 1000, untimed: true}
		l := begin(s, nil)
		l.pass(t)
		if len(l.taken.gaps) > 0 {
			t.Errorf("a first start told of %v", l.taken.gaps)
		}
		time.Sleep(time.Hour)
		last := time.Now()
		l.pass(t)
		time.Sleep(time.Minute)
		l.end()
		time.Sleep(10 * time.Minute)
		l = begin(s, nil)
		l.pass(t)
		if len(l.taken.gaps) != 1 {
			t.Fatalf("told of %v", l.taken.gaps)
		}
		g := l.taken.gaps[0]
		if g.Since.After(last) || last.Sub(g.Since) > 5*time.Second || !strings.Contains(g.Reason, "public.messages") {
			t.Errorf("told of %+v, want since %s", g, last)
		}
		l.end()
	})
}

// TestWhatWasPublishedRightBeforeTheEnd: clients may not have received it, so it is
// published again, at the start and once.
func TestWhatWasPublishedRightBeforeTheEnd(t *testing.T) {
	t.Parallel()
	lives(t, func(t *testing.T, _ string, begin func(*shelf, func(*Options)) *life) {
		s := &shelf{page: 1000}
		s.put("old", "sent", time.Now().Add(-3*time.Hour))
		s.put("older", "sent", time.Now().Add(-4*time.Hour))
		l := begin(s, nil)
		l.pass(t)
		s.set("older", "read")
		l.rec.requests.gap()
		l.pass(t)
		time.Sleep(time.Hour)
		s.set("old", "read") // no time of it is set
		s.put("new", "sent", time.Now())
		l.rec.requests.gap()
		l.pass(t)
		l.end()
		time.Sleep(30 * time.Minute)
		l = begin(s, nil)
		l.pass(t)
		want := []string{"update old read", "update new sent", "insert new sent"}
		if !slices.Equal(l.taken.keys, want) || len(l.taken.gaps) > 0 {
			t.Errorf("published %q, gaps %v; want %q", l.taken.keys, l.taken.gaps, want)
		}
		l.taken.keys = nil
		l.rec.requests.gap()
		l.pass(t)
		if len(l.taken.keys) > 0 {
			t.Errorf("published once more: %q", l.taken.keys)
		}
		l.end()
	})
}

// TestAStreamedChangeOfWhatIsPublishedAgain: it is compared with nothing, because what it
// was before may not have been received.
func TestAStreamedChangeOfWhatIsPublishedAgain(t *testing.T) {
	t.Parallel()
	lives(t, func(t *testing.T, _ string, begin func(*shelf, func(*Options)) *life) {
		s := &shelf{page: 1000}
		s.put("old", "sent", time.Now().Add(-3*time.Hour))
		l := begin(s, nil)
		l.pass(t)
		s.set("old", "read")
		l.rec.requests.gap()
		l.pass(t)
		l.end()
		l = begin(s, nil)
		if _, errs := l.rec.describe(t.Context()); len(errs) > 0 {
			t.Fatal(errs)
		}
		c := l.streamed("old", false)
		c.op, c.old = source.Update, slices.Clone(c.row)
		sk, _ := c.table.SketchRow(c.rel, c.row)
		if l.publish.correctOld(c, &sk); c.old != nil {
			t.Errorf("it is compared with %v", c.old)
		}
		l.end()
	})
}

// TestTheWindowGrows: rows that were outside of it before are not new.
func TestTheWindowGrows(t *testing.T) {
	t.Parallel()
	lives(t, func(t *testing.T, _ string, begin func(*shelf, func(*Options)) *life) {
		s := &shelf{page: 1000}
		s.put("outside", "sent", time.Now().Add(-5*time.Hour))
		s.put("inside", "sent", time.Now().Add(-30*time.Minute))
		l := begin(s, func(o *Options) { o.Window = time.Hour })
		l.pass(t)
		l.end()
		l = begin(s, nil)
		l.pass(t)
		if len(l.taken.keys) > 0 || len(l.taken.gaps) > 0 {
			t.Errorf("published %q, gaps %v", l.taken.keys, l.taken.gaps)
		}
		l.end()
		s.set("outside", "read")
		l = begin(s, nil)
		l.pass(t)
		if want := []string{"update outside read"}; !slices.Equal(l.taken.keys, want) {
			t.Errorf("published %q, want %q", l.taken.keys, want)
		}
		l.end()
	})
}

// TestAKilledProcess: what had not been written yet is published once more.
func TestAKilledProcess(t *testing.T) {
	t.Parallel()
	lives(t, func(t *testing.T, path string, begin func(*shelf, func(*Options)) *life) {
		s := &shelf{page: 1000}
		l := begin(s, nil)
		l.pass(t)
		time.Sleep(time.Hour) // and all of that is in the file
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s.put("published", "sent", time.Now())
		l.pass(t)
		l.end()
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		l = begin(s, nil)
		l.pass(t)
		if want := []string{"update published sent", "insert published sent"}; !slices.Equal(l.taken.keys, want) || len(l.taken.gaps) > 0 {
			t.Errorf("published %q, gaps %v; want %q", l.taken.keys, l.taken.gaps, want)
		}
		l.end()
	})
}

// TestAnEndBeforeTheFirstComparison: what an earlier process kept is still known then.
func TestAnEndBeforeTheFirstComparison(t *testing.T) {
	t.Parallel()
	lives(t, func(t *testing.T, _ string, begin func(*shelf, func(*Options)) *life) {
		s := &shelf{page: 1000}
		s.put("old", "sent", time.Now().Add(-3*time.Hour))
		l := begin(s, nil)
		l.pass(t)
		l.end()
		s.set("old", "read")
		s.put("meanwhile", "sent", time.Now())
		time.Sleep(time.Hour)
		begin(s, nil).end() // it ended before it had read anything
		time.Sleep(time.Hour)
		l = begin(s, nil)
		l.pass(t)
		want := []string{"update old read", "update meanwhile sent", "insert meanwhile sent"}
		if !slices.Equal(l.taken.keys, want) || len(l.taken.gaps) > 0 {
			t.Errorf("published %q, gaps %v; want %q", l.taken.keys, l.taken.gaps, want)
		}
		l.end()
	})
}
