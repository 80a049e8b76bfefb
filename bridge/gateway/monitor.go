package gateway

import (
	"sync"
	"sync/atomic"
	"time"
)

// suspicion is for how long after a failed session or a broken connection one failed probe and
// a failed trial suffice.
const suspicion = 5 * time.Second

// monitor is the machine for concurrent use: what requests come to is a reason to
// probe, what probes find decides, and a change is announced.
type monitor struct {
	failAfter int
	// announce is called after each change, without a lock.
	announce func(before State, status Status)

	mu             sync.Mutex // held while the machine is used
	machine        *machine
	failedSessions int           // in a row
	changed        chan struct{} // closed and replaced at each change

	state       atomic.Int32  // the machine's, for each request to read
	suspectedAt atomic.Int64  // Unix nanoseconds
	probeNow    chan struct{} // has a token when a probe is wanted at once
}

func newMonitor(o Options, announce func(State, Status)) *monitor {
	return &monitor{
		failAfter: o.FailAfter, announce: announce,
		machine: newMachine(o, time.Now()), changed: make(chan struct{}), probeNow: make(chan struct{}, 1),
	}
}

func (m *monitor) stateNow() State { return State(m.state.Load()) }

func (m *monitor) status() Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.machine.status()
}

// watch returns the status and a channel that is closed at the next change.
func (m *monitor) watch() (Status, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.machine.status(), m.changed
}

// update runs step under the lock and announces the change that it made.
func (m *monitor) update(step func(now time.Time) (changed bool)) {
	m.mu.Lock()
	changed := step(time.Now())
	status := m.machine.status()
	before := State(m.state.Swap(int32(status.State)))
	if changed {
		close(m.changed)
		m.changed = make(chan struct{})
	}
	m.mu.Unlock()
	if changed {
		m.announce(before, status)
	}
}

func (m *monitor) hold(mode Mode) {
	m.update(func(now time.Time) bool { return m.machine.hold(mode, now) })
	m.requestProbe()
}

// sessionFailed notes that ChatEngine failed a session.
func (m *monitor) sessionFailed() {
	m.mu.Lock()
	m.failedSessions++
	m.mu.Unlock()
	m.suspect()
}

// sessionOpened notes that ChatEngine opened a session.
func (m *monitor) sessionOpened() {
	m.mu.Lock()
	m.failedSessions = 0
	m.mu.Unlock()
}

// suspect notes a sign of a failure and asks for a probe.
func (m *monitor) suspect() {
	m.suspectedAt.Store(time.Now().UnixNano())
	m.requestProbe()
}

func (m *monitor) suspected() bool {
	return time.Since(time.Unix(0, m.suspectedAt.Load())) < suspicion
}

func (m *monitor) requestProbe() {
	select {
	case m.probeNow <- struct{}{}:
	default: // one is due already
	}
}

// probeFailed takes a failed probe; decisive means that no second one is needed.
func (m *monitor) probeFailed(err error, decisive bool) {
	m.update(func(now time.Time) bool { return m.machine.probeFailed(now, err, decisive) })
}

// probeSucceeded takes a successful probe and reports whether a hand-back may
// begin, and whether sessions fail though the probe does not.
func (m *monitor) probeSucceeded() (ready, doubted bool) {
	m.update(func(now time.Time) bool {
		ready = m.machine.probeSucceeded(now)
		doubted = m.failedSessions >= m.failAfter && m.machine.state != Local
		return false
	})
	return ready, doubted
}

// handBack begins a hand-back.
func (m *monitor) handBack() { m.update(m.machine.handBack) }

// handBackDone ends it.
func (m *monitor) handBackDone() { m.update(m.machine.handBackDone) }
