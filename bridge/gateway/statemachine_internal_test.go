package gateway

import (
	"errors"
	"strings"
	"testing"
	"time"
)

var errSick = errors.New("sick")

// at is a time, in seconds from an arbitrary start.
func at(seconds int) time.Time {
	return time.Unix(1_000_000, 0).Add(time.Duration(seconds) * time.Second)
}

func testMachine() *machine {
	o := DefaultOptions()
	o.FailAfter, o.HealthyFor = 3, 10*time.Second
	return newMachine(o, at(0))
}

func wantState(t *testing.T, m *machine, want State) {
	t.Helper()
	if got := m.status().State; got != want {
		t.Fatalf("state %v, want %v (%s)", got, want, m.status().Reason)
	}
}

// TestTransitions goes through every state and event.
func TestTransitions(t *testing.T) {
	want := map[State][events]State{
		//           down   ready        moved     order local  order upstream
		Upstream:    {Local, Upstream, Upstream, Local, Upstream},
		Local:       {Local, HandingBack, Local, Local, HandingBack},
		HandingBack: {Local, HandingBack, Upstream, Local, HandingBack},
	}
	for from, row := range want {
		for e := range events {
			m := testMachine()
			m.state = from
			changed := m.handle(e, at(9), "why")
			if m.state != row[e] || changed != (row[e] != from) {
				t.Errorf("%v, event %d: %v, changed %v; want %v", from, e, m.state, changed, row[e])
			}
			if s := m.status(); changed != (s.Reason == "why" && s.Since.Equal(at(9))) {
				t.Errorf("%v, event %d: status %+v", from, e, s)
			}
		}
	}
}

func TestSlowProbesNeedSeveral(t *testing.T) {
	m := testMachine()
	for i := range 2 {
		if m.probeFailed(at(i), errSick, false) {
			t.Fatalf("changed after %d failures", i+1)
		}
	}
	m.probeSucceeded(at(2)) // one success starts the count anew
	m.probeFailed(at(3), errSick, false)
	m.probeFailed(at(4), errSick, false)
	wantState(t, m, Upstream)
	if !m.probeFailed(at(5), errSick, false) {
		t.Fatal("the third failure in a row did not change the state")
	}
	wantState(t, m, Local)
	if s := m.status(); s.Reason != "sick" || !s.Since.Equal(at(5)) || s.Healthy {
		t.Fatalf("status %+v", s)
	}
}

func TestDecisiveFailureNeedsNoSecond(t *testing.T) {
	m := testMachine()
	if !m.probeFailed(at(1), errSick, true) {
		t.Fatal("not changed")
	}
	wantState(t, m, Local)
}

func TestHandBackAfterHealthyTime(t *testing.T) {
	m := testMachine()
	m.probeFailed(at(0), errSick, true)
	if m.probeSucceeded(at(1)) || m.probeSucceeded(at(10)) {
		t.Fatal("ready before 10 s of health")
	}
	m.probeFailed(at(10), errSick, false) // a failure in between starts the time anew
	if m.probeSucceeded(at(11)) || m.probeSucceeded(at(20)) {
		t.Fatal("ready though it failed in between")
	}
	if !m.probeSucceeded(at(21)) {
		t.Fatal("not ready after 10 s of health")
	}
	if !m.handBack(at(21)) {
		t.Fatal("no hand-back")
	}
	wantState(t, m, HandingBack)
	if !m.handBackDone(at(25)) {
		t.Fatal("the hand-back did not end")
	}
	wantState(t, m, Upstream)
}

func TestFailureDuringHandBack(t *testing.T) {
	m := testMachine()
	m.probeFailed(at(0), errSick, true)
	m.probeSucceeded(at(1))
	m.probeSucceeded(at(11))
	m.handBack(at(11))
	m.probeFailed(at(12), errSick, true)
	wantState(t, m, Local)
	if m.handBackDone(at(13)) {
		t.Fatal("a hand-back ended in state local")
	}
}

// A ChatEngine that fails soon after each hand-back is waited for longer each
// time, up to eight times as long, and no longer once it has stayed well.
func TestFlappingWaitsLonger(t *testing.T) {
	m := testMachine()
	now := 0
	m.probeFailed(at(now), errSick, true)
	for _, wait := range []int{10, 20, 40, 80, 80} {
		now++
		m.probeSucceeded(at(now))
		if m.probeSucceeded(at(now + wait - 1)) {
			t.Fatalf("ready before %d s", wait)
		}
		if !m.probeSucceeded(at(now + wait)) {
			t.Fatalf("not ready after %d s", wait)
		}
		now += wait
		m.handBack(at(now))
		m.handBackDone(at(now))
		now++
		m.probeFailed(at(now), errSick, true)
	}
	m.probeSucceeded(at(now))
	m.probeSucceeded(at(now + 80))
	m.handBack(at(now + 80))
	now += 80 + 1000
	m.probeFailed(at(now), errSick, true)
	if got := m.status().RecoverAfter; got != "10s" {
		t.Fatalf("waits %s after a long healthy time, want 10s", got)
	}
}

func TestHold(t *testing.T) {
	m := testMachine()
	m.probeSucceeded(at(0))
	if !m.hold(HoldLocal, at(1)) || m.hold(HoldLocal, at(1)) {
		t.Fatal("hold changes once")
	}
	wantState(t, m, Local)
	if m.probeSucceeded(at(100)) {
		t.Fatal("ready though held")
	}
	m.hold(HoldUpstream, at(101))
	wantState(t, m, HandingBack)
	m.handBackDone(at(102))
	for i := range 5 {
		m.probeFailed(at(103+i), errSick, true)
	}
	wantState(t, m, Upstream) // held, however sick
	m.hold(Auto, at(110))
	wantState(t, m, Local) // released while sick
	m.probeSucceeded(at(111))
	if !m.probeSucceeded(at(121)) {
		t.Fatal("not ready after the release")
	}
}

func TestParseMode(t *testing.T) {
	if _, err := ParseMode("local"); err == nil {
		t.Fatal("accepted an unknown mode")
	}
	for _, m := range []Mode{Auto, HoldLocal, HoldUpstream} {
		if got, err := ParseMode(string(m)); err != nil || got != m {
			t.Fatalf("ParseMode(%q) = %q, %v", m, got, err)
		}
	}
}

func TestStateText(t *testing.T) {
	for _, s := range []State{Upstream, Local, HandingBack} {
		text, _ := s.MarshalText()
		var got State
		if err := got.UnmarshalText(text); err != nil || got != s {
			t.Fatalf("%v comes back as %v, %v", s, got, err)
		}
	}
}

// TestReasonOfToday: what kept clients at the bridge is not told as if it were still so.
func TestReasonOfToday(t *testing.T) {
	t.Parallel()
	const again = "healthy again"
	start := time.Now()
	m := newMachine(Options{FailAfter: 3, HealthyFor: time.Minute}, start)
	m.probeFailed(start, errSick, true)
	if r := m.status().Reason; r != errSick.Error() {
		t.Errorf("while it is sick: %s", r)
	}
	m.probeSucceeded(start.Add(time.Second))
	if r := m.status().Reason; !strings.Contains(r, errSick.Error()) || !strings.Contains(r, again) || !strings.Contains(r, "1m0s") {
		t.Errorf("once it is healthy: %s", r)
	}
	m.probeFailed(start.Add(2*time.Second), errSick, false)
	if r := m.status().Reason; strings.Contains(r, again) {
		t.Errorf("sick again: %s", r)
	}
	m.probeSucceeded(start.Add(3 * time.Second))
	m.hold(HoldLocal, start.Add(4*time.Second))
	if r := m.status().Reason; r != "held by the operator" {
		t.Errorf("held: %s", r)
	}
}
