package gateway

import (
	"fmt"
	"time"
)

// event is what can change the state.
type event int

const (
	upstreamDown  event = iota // ChatEngine counts as down
	upstreamReady              // it has been healthy for long enough and opens WebSockets
	clientsMoved               // the bridge has no clients left
	orderLocal                 // the operator has the bridge serve
	orderUpstream              // the operator leaves everything to ChatEngine
	events
)

// transitions lists every change of state. An event that is not listed for a state
// changes nothing.
var transitions = map[State]map[event]State{
	Upstream:    {upstreamDown: Local, orderLocal: Local},
	Local:       {upstreamReady: HandingBack, orderUpstream: HandingBack},
	HandingBack: {upstreamDown: Local, clientsMoved: Upstream, orderLocal: Local},
}

// maxPenalty bounds how often the healthy time before a hand-back doubles.
const maxPenalty = 3

// machine decides the state from probes, failed sessions and the operator's
// orders. It is pure: the caller brings the time and does what a change asks
// for. Not safe for concurrent use; monitor guards it.
type machine struct {
	failAfter  int
	healthyFor time.Duration

	mode   Mode
	state  State
	reason string
	since  time.Time

	probed       time.Time
	probeErr     error
	failedProbes int       // in a row
	healthySince time.Time // zero while the last probe failed
	penalty      int       // how often healthyFor is doubled
	handedBack   time.Time // when the last hand-back began
}

func newMachine(o Options, now time.Time) *machine {
	return &machine{
		failAfter: o.FailAfter, healthyFor: o.HealthyFor,
		mode: Auto, state: Upstream, reason: "started", since: now,
	}
}

// handle changes the state as transitions has it, and reports whether it did.
func (m *machine) handle(e event, now time.Time, reason string) (changed bool) {
	next, ok := transitions[m.state][e]
	if ok {
		m.state, m.since, m.reason = next, now, reason
	}
	return ok
}

// probeFailed takes a failed probe. decisive means that one is enough: nobody
// listens, or connections are breaking as well.
func (m *machine) probeFailed(now time.Time, err error, decisive bool) (changed bool) {
	m.probed, m.probeErr, m.healthySince = now, err, time.Time{}
	m.failedProbes++
	return (decisive || m.failedProbes >= m.failAfter) && m.fail(now, err.Error())
}

// fail notes that ChatEngine is down.
func (m *machine) fail(now time.Time, reason string) (changed bool) {
	if m.mode != Auto || !m.handle(upstreamDown, now, reason) {
		return false
	}
	m.healthySince = time.Time{}
	switch soon := !m.handedBack.IsZero() && now.Sub(m.handedBack) < 10*m.healthyFor; {
	case !soon:
		m.penalty = 0
	case m.penalty < maxPenalty:
		m.penalty++
	}
	return true
}

// probeSucceeded takes a successful probe and reports whether the healthy time
// is over, so that a hand-back may begin.
func (m *machine) probeSucceeded(now time.Time) (ready bool) {
	m.probed, m.probeErr, m.failedProbes = now, nil, 0
	if m.healthySince.IsZero() {
		m.healthySince = now
	}
	return m.mode == Auto && m.state == Local && now.Sub(m.healthySince) >= m.requiredHealthy()
}

// requiredHealthy is the healthy time that a hand-back needs now.
func (m *machine) requiredHealthy() time.Duration { return m.healthyFor << m.penalty }

// handBack begins the hand-back.
func (m *machine) handBack(now time.Time) (changed bool) {
	reason := fmt.Sprintf("ChatEngine healthy for %v", now.Sub(m.healthySince).Round(time.Millisecond))
	if m.mode != Auto || !m.handle(upstreamReady, now, reason) {
		return false
	}
	m.handedBack = now
	return true
}

// handBackDone ends a hand-back: the bridge has no clients left.
func (m *machine) handBackDone(now time.Time) (changed bool) {
	return m.handle(clientsMoved, now, "all clients handed back")
}

// hold applies the operator's mode.
func (m *machine) hold(mode Mode, now time.Time) (changed bool) {
	if m.mode == mode {
		return false
	}
	m.mode = mode
	m.reason = "held by the operator"
	switch mode {
	case HoldLocal:
		m.handle(orderLocal, now, m.reason)
	case HoldUpstream:
		m.handle(orderUpstream, now, m.reason)
	case Auto:
		// A sick ChatEngine is left at once, a healthy one is returned to after
		// its healthy time, counted from its first good probe.
		m.reason = "released by the operator"
		if m.probeErr != nil {
			m.reason = m.probeErr.Error()
			m.handle(upstreamDown, now, m.reason)
		}
	}
	return true
}

// status is the snapshot for others.
func (m *machine) status() Status {
	s := Status{
		State: m.state, Mode: m.mode, Reason: m.reason, Since: m.since,
		Healthy: m.probeErr == nil && !m.probed.IsZero(), Probed: m.probed,
		HealthySince: m.healthySince, RecoverAfter: m.requiredHealthy().String(),
	}
	if m.probeErr != nil {
		s.ProbeError = m.probeErr.Error()
	}
	if m.mode == Auto && m.state == Local && !m.healthySince.IsZero() {
		s.Reason += "; it is healthy again, and gets its clients back once it has been for " + s.RecoverAfter
	}
	return s
}
