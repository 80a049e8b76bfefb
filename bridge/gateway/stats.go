package gateway

import "sync/atomic"

// Stats is a snapshot of the gateway's counters; all but the gauges only grow.
type Stats struct {
	Status Status
	// Websockets and Requests are gauges: proxied WebSockets, and proxied
	// Socket.IO requests (polls) under way.
	Websockets, Requests int64
	// Upgraded counts proxied WebSockets, Polled proxied Socket.IO requests,
	// Passed requests to other paths.
	Upgraded, Polled, Passed uint64
	// Served counts sessions opened locally because of the state, Rescued those
	// opened locally because ChatEngine failed that very request.
	Served, Rescued uint64
	// RestServed and RestRescued are the same for requests of ChatEngine's REST interface
	// that Options.Rest answered.
	RestServed, RestRescued uint64
	// Failures of ChatEngine, by what failed; Refused counts what was not passed
	// on for another reason, by reason.
	Failures, Refused map[string]uint64
	// Probes and ProbesFailed count health probes.
	Probes, ProbesFailed uint64
	// Switches counts changes of state, by the state entered.
	Switches map[string]uint64
	// HandedBack counts the bridge's clients closed so that they go to ChatEngine,
	// HandedOver proxied connections closed so that they come to the bridge,
	// Broken proxied WebSockets that ChatEngine's side ended.
	HandedBack, HandedOver, Broken uint64
	// CatchUps counts hand-overs of proxied WebSockets, by outcome.
	CatchUps map[string]uint64
	// CatchUpEvents counts events that the bridge sent to clients in hand-overs.
	CatchUpEvents uint64
}

// failure is in what way ChatEngine failed.
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

// counters are written from everywhere, so all are atomic.
type counters struct {
	websockets, requests           atomic.Int64
	upgraded, polled, passed       atomic.Uint64
	served, rescued                atomic.Uint64
	restServed, restRescued        atomic.Uint64
	failures                       [failures]atomic.Uint64
	probes, probesFailed           atomic.Uint64
	switches                       [3]atomic.Uint64
	handedBack, handedOver, broken atomic.Uint64
}

// Stats returns a snapshot. Safe for concurrent use.
func (g *Gateway) Stats() Stats {
	c := &g.count
	s := Stats{
		Status:     g.Status(),
		Websockets: c.websockets.Load(), Requests: c.requests.Load(),
		Upgraded: c.upgraded.Load(), Polled: c.polled.Load(), Passed: c.passed.Load(),
		Served: c.served.Load(), Rescued: c.rescued.Load(),
		RestServed: c.restServed.Load(), RestRescued: c.restRescued.Load(),
		Probes: c.probes.Load(), ProbesFailed: c.probesFailed.Load(),
		HandedBack: c.handedBack.Load(), HandedOver: c.handedOver.Load(), Broken: c.broken.Load(),
		CatchUps: g.handovers.Outcomes(), CatchUpEvents: g.handovers.Events(),
		Failures: make(map[string]uint64, failures), Refused: make(map[string]uint64, refusals),
		Switches: make(map[string]uint64, len(c.switches)),
	}
	for f := range failures {
		s.Failures[f.String()] = c.failures[f].Load()
	}
	for why := range refusals {
		s.Refused[why.String()] = g.refusals.counts[why].Load()
	}
	for i := range c.switches {
		s.Switches[State(i).String()] = c.switches[i].Load()
	}
	return s
}
