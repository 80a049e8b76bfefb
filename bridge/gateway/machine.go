package gateway

import (
	"fmt"
	"time"
)

// maxPenalty bounds how often the healthy time before a hand-back doubles.
const maxPenalty = 3

// machine decides the state from verdicts. It is pure: the caller brings the
// time and does what a change asks for. Not safe for concurrent use; Gateway
// guards it.
type machine struct {
	failAfter  int
	healthyFor time.Duration

	mode   Mode
	state  State
	reason string
	since  time.Time

	probed       time.Time
	probeErr     error
	fails        int       // failed probes in a row
	healthySince time.Time // zero while the last probe failed
	penalty      int       // how often healthyFor is doubled
	handedBack   time.Time // last time that a hand-back began
}

func newMachine(o Options, now time.Time) *machine {
	return &machine{
		failAfter: o.FailAfter, healthyFor: o.HealthyFor,
		mode: Auto, state: Upstream, reason: "started", since: now,
	}
}

// enter changes the state; false where it is that already.
func (m *machine) enter(s State, now time.Time, reason string) bool {
	if m.state == s {
		return false
	}
	m.state, m.since, m.reason = s, now, reason
	return true
}

// failed takes a failed probe. decisive means that one is enough: nobody
// listens, or connections are breaking as well.
func (m *machine) failed(now time.Time, err error, decisive bool) (changed bool) {
	m.probed, m.probeErr, m.healthySince = now, err, time.Time{}
	m.fails++
	if m.mode != Auto || m.state == Local || !decisive && m.fails < m.failAfter {
		return false
	}
	return m.fail(now, err.Error())
}

// fail makes the bridge serve because ChatEngine does not.
func (m *machine) fail(now time.Time, reason string) (changed bool) {
	if m.mode != Auto || m.state == Local {
		return false
	}
	m.healthySince = time.Time{}
	switch soon := !m.handedBack.IsZero() && now.Sub(m.handedBack) < 10*m.healthyFor; {
	case !soon:
		m.penalty = 0
	case m.penalty < maxPenalty:
		m.penalty++
	}
	return m.enter(Local, now, reason)
}

// succeeded takes a successful probe and tells whether the healthy time is
// over, so that a hand-back may begin.
func (m *machine) succeeded(now time.Time) (ripe bool) {
	m.probed, m.probeErr, m.fails = now, nil, 0
	if m.healthySince.IsZero() {
		m.healthySince = now
	}
	return m.mode == Auto && m.state == Local && now.Sub(m.healthySince) >= m.wait()
}

// wait is the healthy time now asked for.
func (m *machine) wait() time.Duration { return m.healthyFor << m.penalty }

// handBack begins the hand-back.
func (m *machine) handBack(now time.Time) (changed bool) {
	if m.mode != Auto || m.state != Local {
		return false
	}
	m.handedBack = now
	return m.enter(HandingBack, now, fmt.Sprintf("ChatEngine healthy for %v", now.Sub(m.healthySince).Round(time.Millisecond)))
}

// settled ends a hand-back: the bridge has no clients left.
func (m *machine) settled(now time.Time) (changed bool) {
	return m.state == HandingBack && m.enter(Upstream, now, "all clients handed back")
}

// hold applies the operator's mode.
func (m *machine) hold(mode Mode, now time.Time) (changed bool) {
	if m.mode == mode {
		return false
	}
	m.mode = mode
	switch mode {
	case HoldLocal:
		m.enter(Local, now, "")
		m.reason = "held by the operator"
	case HoldUpstream:
		if m.state == Local {
			m.enter(HandingBack, now, "")
		}
		m.reason = "held by the operator"
	case Auto:
		// A sick ChatEngine is left at once, a healthy one is returned to after
		// its healthy time, counted from its first good probe.
		m.reason = "released by the operator"
		if m.probeErr != nil {
			m.enter(Local, now, "")
			m.reason = m.probeErr.Error()
		}
	}
	return true
}

// status is the snapshot for others.
func (m *machine) status() Status {
	s := Status{
		State: m.state, Mode: m.mode, Reason: m.reason, Since: m.since,
		Healthy: m.probeErr == nil && !m.probed.IsZero(), Probed: m.probed,
		HealthySince: m.healthySince, HealthyFor: m.wait().String(),
	}
	if m.probeErr != nil {
		s.ProbeError = m.probeErr.Error()
	}
	return s
}
