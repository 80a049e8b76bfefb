package console

import (
	"fmt"
	"testing"
	"time"

	"chatbridge/bridge/gateway"
	"chatbridge/bridge/ops"
	"chatbridge/source"
)

// after observes Snapshots one after the other.
func after(all ...ops.Snapshot) happened {
	var t timeline
	var before *ops.Snapshot
	for i := range all {
		t.observe(before, &all[i])
		before = &all[i]
	}
	return t.entries()
}

// happened are the Entries, oldest first.
type happened []Entry

func (t happened) find(title string) *Entry {
	for i := range t {
		if t[i].Title == title {
			return &t[i]
		}
	}
	return nil
}

// TestTimelineSaysEachOnce: what comes again in other numbers is counted, and stands at the
// time at which it came last.
func TestTimelineSaysEachOnce(t *testing.T) {
	t.Parallel()
	started := time.Now()
	var all []ops.Snapshot
	for i := range 20 {
		s := flowing(started)
		s.Taken = started.Add(time.Duration(i) * time.Second)
		s.Source.Since = s.Taken
		if i%2 == 1 {
			s.Source.State, s.Source.Flowing = ops.StateRetrying, false
			s.Source.Reason = fmt.Sprintf("dial 127.0.0.1:%d: connection refused", 40000+i)
			s.Source.Remedy = "start Postgres"
			s.Ready.Status = ops.ReadyUnavailable
		}
		all = append(all, s)
	}
	got := after(all...)
	if len(got) != 3 {
		t.Fatalf("%d entries: %+v", len(got), got)
	}
	away := got.find("The source is away: retrying")
	if away == nil || away.Count != 10 || !away.First.Equal(started.Add(time.Second)) || !away.At.Equal(started.Add(19*time.Second)) {
		t.Fatalf("%+v", away)
	}
	if away.Level != Down || away.Reason != "dial 127.0.0.1:40019: connection refused" || away.Do != "start Postgres" || away.Runbook != "bridgenotready" {
		t.Errorf("%+v", away)
	}
	if got[2].Title != away.Title {
		t.Errorf("the newest is %q", got[2].Title)
	}
}

// TestTimelineTells of each kind of change, by its cause.
func TestTimelineTells(t *testing.T) {
	t.Parallel()
	started := time.Now().Add(-time.Hour)
	well := flowing(started)
	well.Gateway = &gateway.Stats{Status: gateway.Status{State: gateway.Upstream, Mode: gateway.Auto, Healthy: true, Since: started}}
	for title, change := range map[string]func(*ops.Snapshot){
		"The bridge serves in ChatEngine's place": func(s *ops.Snapshot) { s.Gateway.Status.State = gateway.Local },
		"The gateway was ordered hold-local":      func(s *ops.Snapshot) { s.Gateway.Status.Mode = gateway.HoldLocal },
		"Clients are handed back to ChatEngine":   func(s *ops.Snapshot) { s.Gateway.Status.State = gateway.HandingBack },
		"The configuration was reloaded":          func(s *ops.Snapshot) { s.Reload.Succeeded++ },
		"The configuration was reloaded; some settings take a restart": func(s *ops.Snapshot) {
			s.Reload.Succeeded++
			s.Reload.NeedsRestart = []string{"listen"}
		},
		"A reload was refused; the configuration before it is in use": func(s *ops.Snapshot) { s.Reload.Failed++ },
		"Look-ups fail": func(s *ops.Snapshot) { s.Pipeline.Mapping.Lookups.Failing = true },
		"Something does not fit the mapping": func(s *ops.Snapshot) {
			s.Warnings = []string{time.Now().UTC().Format(time.RFC3339) + " messages no_key: a row"}
		},
		"The source is blocked":                          func(s *ops.Snapshot) { s.Source.State, s.Source.Flowing = ops.StateBlocked, false },
		"The bridge stands by: another one has the slot": func(s *ops.Snapshot) { s.Source.State, s.Source.Flowing = ops.StateStandby, false },
		"Events may be missing or late":                  func(s *ops.Snapshot) { s.Source.Losing = "reading back fails" },
		"This bridge is the cluster's edge":              func(s *ops.Snapshot) { s.Cluster = &ops.Cluster{Role: ops.ClusterEdge, Connected: true} },
		"The cluster does not work":                      func(s *ops.Snapshot) { s.Cluster = &ops.Cluster{Role: ops.ClusterEdge, Error: "no route"} },
	} {
		next := well
		g := *well.Gateway
		next.Gateway = &g
		change(&next)
		got := after(well, next)
		if got.find(title) == nil {
			t.Errorf("%q is not told; got %+v", title, got)
		}
		if again := after(well, next, next); len(again) != len(got) {
			t.Errorf("%q is told while nothing changes", title)
		}
	}
}

// TestTimelineTellsEachGap: with its reason, its times and what to do, also two at once.
func TestTimelineTellsEachGap(t *testing.T) {
	t.Parallel()
	started := time.Now().Add(-time.Hour)
	well, lossy := flowing(started), flowing(started)
	lossy.Pipeline.Gaps = 2
	lossy.Pipeline.LastGap = &source.Gap{Reason: "the slot was dropped", Since: started, Until: started.Add(time.Minute)}
	got := after(well, lossy)
	e := got[len(got)-1]
	want := "Changes were lost between " + clock(started, lossy.Taken) + " and " + clock(started.Add(time.Minute), lossy.Taken) + " (and 1 loss just before)"
	if e.Title != want || e.Reason != "the slot was dropped" || e.Do == "" || e.Runbook != "bridgegap" || e.Level != Degraded {
		t.Errorf("%+v, want %q", e, want)
	}
}

// TestTimelineIsBounded, and keeps the newest.
func TestTimelineIsBounded(t *testing.T) {
	t.Parallel()
	var tl timeline
	for i := range 3 * maxEntries {
		tl.note(time.Unix(int64(i), 0), Entry{Title: "from " + string(rune('A'+i%26)) + string(rune('a'+i/26))})
	}
	got := tl.entries()
	if len(got) != maxEntries || got[maxEntries-1].At.Unix() != 3*maxEntries-1 || got[0].At.Unix() != 2*maxEntries {
		t.Errorf("%d entries, from %v to %v", len(got), got[0].At, got[len(got)-1].At)
	}
}

// TestTimelineSaysOneOutageOnce: whatever reasons it has meanwhile, with the latest, as bad as
// the verdict; and above what was before.
func TestTimelineSaysOneOutageOnce(t *testing.T) {
	t.Parallel()
	started := time.Now().Add(-time.Hour)
	const grace = 10 * time.Second
	all := []ops.Snapshot{flowing(started)}
	began := all[0].Taken
	for i, reason := range []string{"the server is shutting down", "the server is shutting down", "dial 127.0.0.1:5432: connection refused"} {
		s := flowing(started)
		s.Taken = began.Add(time.Duration(i+1) * 6 * time.Second)
		s.Source.State, s.Source.Flowing, s.Source.Since, s.Source.FlowedUntil = ops.StateRetrying, false, began.Add(time.Second), began
		s.Source.Reason = reason
		s.Ready = ops.ReadinessOf(s.Source, grace, s.Taken)
		all = append(all, s)
	}
	all[3].Source.Remedy = "start Postgres"
	for n := 2; n <= len(all); n++ {
		got, now := after(all[:n]...), &all[n-1]
		e := got[len(got)-1]
		want := verdict(now, problems(now)).Level
		if len(got) != 3 || e.Title != "The source is away: retrying" || e.Count != 1 || e.Reason != now.Source.Reason || e.Level != want || e.Do == "" {
			t.Errorf("after %d: the verdict is %v, told is %+v", n, want, got)
		}
	}
	if e := after(all...).find("The source is away: retrying"); e.Level != Down || e.Do != "start Postgres" || !e.At.Equal(began.Add(time.Second)) {
		t.Errorf("%+v", e)
	}
}

// TestTimelineKeepsEachGapsTimes: two losses for one reason are two.
func TestTimelineKeepsEachGapsTimes(t *testing.T) {
	t.Parallel()
	started := time.Now().Add(-time.Hour)
	all := []ops.Snapshot{flowing(started), flowing(started), flowing(started)}
	for i := range all[1:] {
		since := started.Add(time.Duration(i) * time.Minute)
		all[i+1].Pipeline.Gaps = uint64(i + 1)
		all[i+1].Pipeline.LastGap = &source.Gap{Reason: "the slot was dropped", Since: since, Until: since.Add(time.Second)}
	}
	told := 0
	for _, e := range after(all...) {
		if e.Runbook == "bridgegap" {
			told++
		}
	}
	if told != 2 {
		t.Errorf("%d of 2 losses are told", told)
	}
}

// TestTimelineBeginsWithTheStart, whatever was so before the first look.
func TestTimelineBeginsWithTheStart(t *testing.T) {
	t.Parallel()
	s := flowing(time.Now())
	s.Gateway = &gateway.Stats{Status: gateway.Status{State: gateway.Upstream, Mode: gateway.Auto, Since: s.Started.Add(-time.Second)}}
	if got := after(s); len(got) < 3 || got[0].Title != "The bridge was started" {
		t.Errorf("%+v", got)
	}
}
