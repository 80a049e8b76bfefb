package gateway

import "sync/atomic"

// Stats is a snapshot of the gateway's counters; all but the gauges only grow.
type Stats struct {
	Status Status
	// Websockets and Requests are gauges: proxied websockets, and proxied
	// Socket.IO requests (polls) under way.
	Websockets, Requests int64
	// Upgraded counts proxied websockets, Polled proxied Socket.IO requests,
	// Passed requests to other paths.
	Upgraded, Polled, Passed uint64
	// Served counts sessions opened locally because of the state, Rescued those
	// opened locally because ChatEngine failed that very request.
	Served, Rescued uint64
	// Failures of ChatEngine, by what failed.
	Failures map[string]uint64
	// Probes and ProbesFailed count health probes.
	Probes, ProbesFailed uint64
	// Switches counts changes of state, by the state entered.
	Switches map[string]uint64
	// HandedBack counts the bridge's clients closed for ChatEngine, HandedOver
	// proxied connections closed for the bridge, Broken proxied websockets that
	// ChatEngine's side ended.
	HandedBack, HandedOver, Broken uint64
	// CatchUps counts catch-ups of proxied websockets, by outcome.
	CatchUps map[string]uint64
	// CatchUpEvents counts events that the bridge gave to proxied clients.
	CatchUpEvents uint64
}

// failure is what of ChatEngine's failed.
type failure int

const (
	failRefused failure = iota // nobody listens
	failDial                   // no connection within the time, or no route
	failAnswer                 // a connection, but no answer within the time
	failStatus                 // a 5xx
	failBroken                 // the connection broke before or within the answer
	failures
)

func (f failure) String() string {
	return [failures]string{"refused", "dial", "answer", "status", "broken"}[f]
}

// outcome is how a catch-up ended.
type outcome int

const (
	caughtUp       outcome = iota // all of it, in order
	caughtUpLate                  // all of it, but after newer events
	catchUpMissed                 // the bridge was not ready in time
	catchUpRefused                // the bridge refused the client, or ChatEngine did
	catchUpOverrun                // too much to keep, or frames that cannot be told apart
	catchUpGone                   // the client or ChatEngine left
	outcomes
)

func (o outcome) String() string {
	return [outcomes]string{"done", "late", "missed", "refused", "overrun", "gone"}[o]
}

// counters are written from everywhere, so all are atomic.
type counters struct {
	websockets, requests           atomic.Int64
	upgraded, polled, passed       atomic.Uint64
	served, rescued                atomic.Uint64
	failures                       [failures]atomic.Uint64
	probes, probesFailed           atomic.Uint64
	switches                       [3]atomic.Uint64
	handedBack, handedOver, broken atomic.Uint64
	catchUps                       [outcomes]atomic.Uint64
	catchUpEvents                  atomic.Uint64
}

// Stats returns a snapshot. Safe for concurrent use.
func (g *Gateway) Stats() Stats {
	c := &g.count
	s := Stats{
		Status:     g.Status(),
		Websockets: c.websockets.Load(), Requests: c.requests.Load(),
		Upgraded: c.upgraded.Load(), Polled: c.polled.Load(), Passed: c.passed.Load(),
		Served: c.served.Load(), Rescued: c.rescued.Load(),
		Probes: c.probes.Load(), ProbesFailed: c.probesFailed.Load(),
		HandedBack: c.handedBack.Load(), HandedOver: c.handedOver.Load(), Broken: c.broken.Load(),
		CatchUpEvents: c.catchUpEvents.Load(),
		Failures:      make(map[string]uint64, failures),
		Switches:      make(map[string]uint64, len(c.switches)),
		CatchUps:      make(map[string]uint64, outcomes),
	}
	for f := range failures {
		s.Failures[f.String()] = c.failures[f].Load()
	}
	for i := range c.switches {
		s.Switches[State(i).String()] = c.switches[i].Load()
	}
	for o := range outcomes {
		s.CatchUps[o.String()] = c.catchUps[o].Load()
	}
	return s
}
