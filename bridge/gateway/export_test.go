package gateway

import (
	"bufio"
	"time"
)

// The internals that have a contract of their own.
var (
	AppendText     = appendText
	EventName      = eventName
	IsConnect      = isConnect
	IsConnectError = isConnectError
	JudgeEngine    = judgeEngine
	ErrLarge       = errLarge
)

// ReadFrame returns the frame's parts.
func ReadFrame(r *bufio.Reader, limit int) (raw, payload []byte, text bool, err error) {
	f, err := readFrame(r, limit)
	return f.raw, f.payload, f.text(), err
}

// Machine is the machine with its steps exported.
type Machine struct{ m *machine }

// NewMachine starts one at the time now.
func NewMachine(o Options, now time.Time) Machine { return Machine{newMachine(o, now)} }

// Failed, Fail, Succeeded, HandBack, Settled and Hold are the machine's.
func (m Machine) Failed(now time.Time, err error, decisive bool) bool {
	return m.m.failed(now, err, decisive)
}
func (m Machine) Fail(now time.Time, reason string) bool { return m.m.fail(now, reason) }
func (m Machine) Succeeded(now time.Time) bool           { return m.m.succeeded(now) }
func (m Machine) HandBack(now time.Time) bool            { return m.m.handBack(now) }
func (m Machine) Settled(now time.Time) bool             { return m.m.settled(now) }
func (m Machine) Hold(mode Mode, now time.Time) bool     { return m.m.hold(mode, now) }
func (m Machine) Status() Status                         { return m.m.status() }

// News holds ChatEngine's packets, each kept so long before the end, against
// what the bridge has said.
func News(said, kept []string, age []time.Duration, covered time.Duration) []string {
	g := make(given)
	for _, p := range said {
		g.add([]byte(p))
	}
	now := time.Now()
	var frames []keptFrame
	for i, p := range kept {
		k := keptFrame{frame: frame{payload: []byte(p)}, at: now.Add(-age[i])}
		k.subject, k.state = identity(k.payload)
		frames = append(frames, k)
	}
	var out []string
	for _, f := range g.news(frames, now.Add(-covered)) {
		out = append(out, string(f.payload))
	}
	return out
}

type keptFrame = kept
