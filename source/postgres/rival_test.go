package postgres_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/source/postgres"
	"chatbridge/source/postgres/dial"
)

// own is a cluster of its own, because the slot's default name is the server's.
func own(t *testing.T) string {
	t.Helper()
	return pgtest.On(t, pgtest.Cluster(t, throwaway.Options{TCP: true}), simple)
}

func rivalsOf(s *running) []string {
	var names []string
	for _, b := range s.Stats().Rivals {
		names = append(names, b.String())
	}
	return names
}

// TestRivalsWarnOfEachOther: the slot's reader and a bridge of another host that waits
// for it name each other, in the log and in Stats; of one cluster, and where the slot
// has a name of its own, neither is a rival.
func TestRivalsWarnOfEachOther(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		slot    string
		cluster [2]string
		rivals  bool
	}{
		"strangers":                      {postgres.DefaultSlot, [2]string{}, true},
		"of one cluster":                 {postgres.DefaultSlot, [2]string{"crm", "crm"}, false},
		"with a slot of a name they set": {"spare", [2]string{}, false},
		"of two clusters":                {"crm", [2]string{"crm", "orders"}, true},
		"of a cluster, and alone":        {"crm", [2]string{"crm", ""}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := own(t)
			as := func(host, cluster string) postgres.Options {
				return postgres.Options{
					URL: url, Slot: tt.slot, Self: dial.Bridge{Host: host, PID: 42, Cluster: cluster}, Watch: 30 * time.Millisecond,
				}
			}
			reader := run(t, as("first", tt.cluster[0]), newRecorder())
			reader.awaitState(t, postgres.Streaming)
			waits := run(t, as("second", tt.cluster[1]), newRecorder())
			waits.awaitState(t, postgres.Standby)
			of := dial.Bridge{Host: "first", PID: 42, Cluster: tt.cluster[0]}
			want := "the bridge first/42 reads the slot"
			if tt.cluster[0] != tt.cluster[1] {
				want = "the bridge first/42 of the cluster crm reads the slot crm"
			}
			if s := waits.Stats(); !strings.Contains(s.Reason, want) {
				t.Errorf("the reason is %q", s.Reason)
			}
			if !tt.rivals {
				at := reader.Stats().Slot.At
				reader.awaitStats(t, "a few polls", func(s postgres.Stats) bool { return s.Slot.At.Sub(at) > time.Second })
				if len(rivalsOf(reader))+len(rivalsOf(waits)) > 0 {
					t.Errorf("rivals of the reader %q, of the other %q", rivalsOf(reader), rivalsOf(waits))
				}
				return
			}
			reader.awaitStats(t, "the rival of the reader", func(postgres.Stats) bool { return slices.Equal(rivalsOf(reader), []string{"second/42"}) })
			waits.awaitStats(t, "the rival of the other", func(postgres.Stats) bool { return slices.Equal(rivalsOf(waits), []string{"first/42"}) })
			for _, told := range []struct{ log, line, other string }{
				{reader.log.String(), "another bridge waits for the slot that this one reads", dial.Bridge{Host: "second", PID: 42, Cluster: tt.cluster[1]}.Named()},
				{waits.log.String(), "another bridge reads the slot that this one waits for", of.Named()},
			} {
				if n := strings.Count(told.log, told.line); n != 1 || !strings.Contains(strings.ReplaceAll(told.log, `"`, ""), "other="+told.other) || !strings.Contains(told.log, "source.postgres.slot") {
					t.Errorf("%d lines of %q in\n%s", n, told.line, told.log)
				}
			}
			_ = waits.stop()
			reader.awaitStats(t, "that it is alone", func(s postgres.Stats) bool { return len(s.Rivals) == 0 })
		})
	}
}

// TestARivalIsNoticedSoon, however rarely the slot is polled.
func TestARivalIsNoticedSoon(t *testing.T) {
	t.Parallel()
	url := own(t)
	as := func(host string) postgres.Options {
		return postgres.Options{URL: url, Slot: postgres.DefaultSlot, Self: dial.Bridge{Host: host, PID: 42}, Watch: time.Hour}
	}
	reader := run(t, as("first"), newRecorder())
	reader.awaitState(t, postgres.Streaming)
	waits := run(t, as("second"), newRecorder())
	waits.awaitState(t, postgres.Standby)
	reader.awaitStats(t, "the rival of the reader", func(postgres.Stats) bool { return slices.Equal(rivalsOf(reader), []string{"second/42"}) })
}

// TestExclusive: a bridge that is to be the only one ends where another host's lives at
// the slot, and says what to do. It waits for one of its cluster and of its own host, and
// takes the place of one that is silent.
func TestExclusive(t *testing.T) {
	t.Parallel()
	const second = time.Second
	url := own(t)
	reader := run(t, postgres.Options{URL: url, Slot: postgres.DefaultSlot, Self: dial.Bridge{Host: "first", PID: 1, Cluster: "crm"}}, newRecorder())
	reader.awaitState(t, postgres.Streaming)
	exclusive := func(self dial.Bridge) *running {
		return run(t, postgres.Options{URL: url, Slot: postgres.DefaultSlot, Self: self, Exclusive: true, HolderTimeout: time.Minute}, newRecorder())
	}
	for _, self := range []dial.Bridge{{Host: "first", PID: 2}, {Host: "second", PID: 2, Cluster: "crm"}} {
		waits := exclusive(self)
		waits.awaitState(t, postgres.Standby)
		since := time.Now()
		waits.awaitStats(t, "some replies of the reader", func(postgres.Stats) bool { return time.Since(since) > 3*second })
		if s := waits.Stats().State; s != postgres.Standby {
			t.Errorf("%v: %v", self, s)
		}
		_ = waits.stop()
	}
	stranger := exclusive(dial.Bridge{Host: "second", PID: 2})
	<-stranger.done
	err := stranger.stop()
	var fatal *postgres.FatalError
	if !errors.As(err, &fatal) || fatal.ExitCode() != 2 || !strings.Contains(err.Error(), "the bridge first/1 reads the slot bridge") || !strings.Contains(fatal.Hint, "source.postgres.exclusive") {
		t.Errorf("it ended with %v", err)
	}
}

// TestExclusiveTakesTheSilentOnesPlace: a host that died is no reason to stay away.
func TestExclusiveTakesTheSilentOnesPlace(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, simple)
	src, _ := start(t, postgres.Options{URL: url})
	_ = src.stop()
	dead := holdAs(t, url, 0, "chatbridge first/1")
	dead.silent.Store(true)
	next := run(t, postgres.Options{URL: url, Slot: uniqueSlot(t), Self: dial.Bridge{Host: "second", PID: 2}, Exclusive: true, HolderTimeout: 300 * time.Millisecond}, newRecorder())
	<-dead.cut
	next.awaitState(t, postgres.Streaming)
}
