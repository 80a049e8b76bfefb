package gateway_test

import (
	"errors"
	"testing"
	"time"

	"chatbridge/bridge/gateway"
)

var errSick = errors.New("sick")

// clock counts seconds from an arbitrary start.
func at(seconds int) time.Time {
	return time.Unix(1_000_000, 0).Add(time.Duration(seconds) * time.Second)
}

func newMachine() gateway.Machine {
	o := gateway.DefaultOptions()
	o.FailAfter, o.HealthyFor = 3, 10*time.Second
	return gateway.NewMachine(o, at(0))
}

func wantState(t *testing.T, m gateway.Machine, want gateway.State) {
	t.Helper()
	if got := m.Status().State; got != want {
		t.Fatalf("state %v, want %v (%s)", got, want, m.Status().Reason)
	}
}

func TestSlowProbesNeedSeveral(t *testing.T) {
	m := newMachine()
	for i := range 2 {
		if m.Failed(at(i), errSick, false) {
			t.Fatalf("changed after %d failures", i+1)
		}
	}
	m.Succeeded(at(2)) // one success starts the count anew
	m.Failed(at(3), errSick, false)
	m.Failed(at(4), errSick, false)
	wantState(t, m, gateway.Upstream)
	if !m.Failed(at(5), errSick, false) {
		t.Fatal("the third failure in a row did not change the state")
	}
	wantState(t, m, gateway.Local)
	if s := m.Status(); s.Reason != "sick" || !s.Since.Equal(at(5)) || s.Healthy {
		t.Fatalf("status %+v", s)
	}
}

func TestDecisiveFailureNeedsNoSecond(t *testing.T) {
	m := newMachine()
	if !m.Failed(at(1), errSick, true) {
		t.Fatal("not changed")
	}
	wantState(t, m, gateway.Local)
}

func TestHandBackAfterHealthyTime(t *testing.T) {
	m := newMachine()
	m.Failed(at(0), errSick, true)
	if m.Succeeded(at(1)) || m.Succeeded(at(10)) {
		t.Fatal("ripe before 10 s of health")
	}
	m.Failed(at(10), errSick, false) // a failure in between starts the time anew
	if m.Succeeded(at(11)) || m.Succeeded(at(20)) {
		t.Fatal("ripe though it failed in between")
	}
	if !m.Succeeded(at(21)) {
		t.Fatal("not ripe after 10 s of health")
	}
	if !m.HandBack(at(21)) {
		t.Fatal("no hand-back")
	}
	wantState(t, m, gateway.HandingBack)
	if !m.Settled(at(25)) {
		t.Fatal("not settled")
	}
	wantState(t, m, gateway.Upstream)
}

func TestFailureDuringHandBack(t *testing.T) {
	m := newMachine()
	m.Failed(at(0), errSick, true)
	m.Succeeded(at(1))
	m.Succeeded(at(11))
	m.HandBack(at(11))
	m.Failed(at(12), errSick, true)
	wantState(t, m, gateway.Local)
	if m.Settled(at(13)) {
		t.Fatal("settled in state local")
	}
}

// A ChatEngine that fails soon after each hand-back is waited for longer each
// time, up to eight times as long, and no longer once it has stayed well.
func TestFlappingWaitsLonger(t *testing.T) {
	m := newMachine()
	now := 0
	m.Failed(at(now), errSick, true)
	for _, wait := range []int{10, 20, 40, 80, 80} {
		now++
		m.Succeeded(at(now))
		if m.Succeeded(at(now + wait - 1)) {
			t.Fatalf("ripe before %d s", wait)
		}
		if !m.Succeeded(at(now + wait)) {
			t.Fatalf("not ripe after %d s", wait)
		}
		now += wait
		m.HandBack(at(now))
		m.Settled(at(now))
		now++
		m.Failed(at(now), errSick, true)
	}
	m.Succeeded(at(now))
	m.Succeeded(at(now + 80))
	m.HandBack(at(now + 80))
	now += 80 + 1000
	m.Failed(at(now), errSick, true)
	if got := m.Status().HealthyFor; got != "10s" {
		t.Fatalf("waits %s after a long healthy time, want 10s", got)
	}
}

func TestHold(t *testing.T) {
	m := newMachine()
	m.Succeeded(at(0))
	if !m.Hold(gateway.HoldLocal, at(1)) || m.Hold(gateway.HoldLocal, at(1)) {
		t.Fatal("hold changes once")
	}
	wantState(t, m, gateway.Local)
	if m.Succeeded(at(100)) {
		t.Fatal("ripe though held")
	}
	m.Hold(gateway.HoldUpstream, at(101))
	wantState(t, m, gateway.HandingBack)
	m.Settled(at(102))
	for i := range 5 {
		m.Failed(at(103+i), errSick, true)
	}
	wantState(t, m, gateway.Upstream) // held, however sick
	m.Hold(gateway.Auto, at(110))
	wantState(t, m, gateway.Local) // released while sick
	m.Succeeded(at(111))
	if !m.Succeeded(at(121)) {
		t.Fatal("not ripe after the release")
	}
}

func TestParseMode(t *testing.T) {
	if _, err := gateway.ParseMode("local"); err == nil {
		t.Fatal("accepted an unknown mode")
	}
	for _, m := range []gateway.Mode{gateway.Auto, gateway.HoldLocal, gateway.HoldUpstream} {
		if got, err := gateway.ParseMode(string(m)); err != nil || got != m {
			t.Fatalf("ParseMode(%q) = %q, %v", m, got, err)
		}
	}
}

func TestStateText(t *testing.T) {
	for _, s := range []gateway.State{gateway.Upstream, gateway.Local, gateway.HandingBack} {
		text, _ := s.MarshalText()
		var got gateway.State
		if err := got.UnmarshalText(text); err != nil || got != s {
			t.Fatalf("%v comes back as %v, %v", s, got, err)
		}
	}
}
