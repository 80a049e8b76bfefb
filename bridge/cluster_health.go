package bridge

import (
	"cmp"
	"time"

	"chatbridge/bridge/api"
	"chatbridge/bridge/cluster"
	"chatbridge/bridge/ops"
	"chatbridge/configs"
)

// Health implements Source. On the leader it is the health of the inner source; on an edge it
// tells whether the leader is heard, and the health of the leader's source.
func (s *clusterSource) Health() ops.Health {
	if s.node.Leader() != nil {
		return s.inner.Health()
	}
	e := s.node.EdgeStats()
	now := time.Now()
	h := ops.Health{Kind: configs.KindPostgres, State: ops.StateStreaming, Since: e.Since.UTC(), FlowedUntil: s.availability.until()}
	if e.Beat != nil && !e.Beat.Commit.IsZero() {
		last := e.Beat.Commit.UTC()
		h.LastTransaction = &last
	}
	switch {
	case !e.Joined && e.Beat == nil && s.inner != nil && now.Sub(s.began) < leaderless:
		// No leader was heard since the start: this bridge may lead soon, and new sessions
		// wait for that.
		h = s.inner.Health()
		h.State, h.Flowing = ops.StateConnecting, false
	case s.cutOff(&e, now):
		h.State, h.FlowedUntil, h.LagBytes = ops.StateStandby, time.Time{}, -1
		h.Reason = "Redis does not answer since " + s.answered(&e).UTC().Format(time.RFC3339) + ": " + e.Error
		h.Remedy = cmp.Or(e.Remedy, "see that Redis runs, and that cluster.redis_url leads to it from this host")
		s.cannotLead(&h)
	case !e.Joined, !e.Connected && now.Sub(e.Heard) >= leaderless:
		h.State, h.FlowedUntil, h.LagBytes = ops.StateStandby, time.Time{}, -1
		h.Reason = "no leader of the cluster is heard"
		if e.Connected {
			h.Reason = "what the cluster's leader has published is being read"
		}
		h.Remedy = cmp.Or(e.Remedy, "see that Redis runs, and that one bridge of the cluster reads the database")
		if !e.Connected {
			s.whyNoLeader(&h)
		}
	case !e.Connected:
		h.State, h.Reason, h.LagBytes = ops.StateRetrying, "the cluster's leader cannot be heard: "+e.Error, -1
		h.Remedy = e.Remedy
	case !e.Beat.Flowing:
		h.State, h.Reason = ops.State(e.Beat.State), "at the cluster's leader "+e.Beat.Leader+": "+e.Beat.Reason
		h.Remedy = "what source.remedy in /status of that leader says"
	default:
		h.Flowing = true
		if e.Behind {
			h.Lag = now.Sub(e.BehindSince).Seconds()
		}
	}
	return h
}

// cannotLead adds to h why this bridge cannot read the database itself, unless another bridge
// has the slot.
func (s *clusterSource) cannotLead(h *ops.Health) {
	if s.inner == nil {
		return
	}
	if own := s.inner.Health(); own.State != ops.StateStandby {
		h.Reason += ", and this bridge cannot lead: the database is " + string(own.State) + ": " + own.Reason
		h.Remedy = cmp.Or(own.Remedy, h.Remedy)
	}
}

// answered returns when Redis last answered; before it ever did, when this bridge began.
func (s *clusterSource) answered(e *cluster.EdgeStats) time.Time {
	if e.Answered.IsZero() {
		return s.began
	}
	return e.Answered
}

// cutOff reports whether neither Redis nor the leader was heard for leaderless.
func (s *clusterSource) cutOff(e *cluster.EdgeStats, now time.Time) bool {
	return !e.Connected && e.Error != "" && now.Sub(e.Heard) >= leaderless && now.Sub(s.answered(e)) >= leaderless
}

// unheardAfter is how long the leader may be silent before an edge takes it for gone.
// answeredWithin is how recently Redis must have answered for the leader to be the cause.
const (
	unheardAfter   = 3 * time.Second
	answeredWithin = 2 * time.Second
)

// hearing returns whether this bridge hears the leader. Where Redis answers but no leader is
// heard, the other bridges hear none either, and one of them leads soon.
func (s *clusterSource) hearing(now time.Time) api.Hearing {
	if s.node.Leader() != nil {
		return api.Heard
	}
	e := s.node.EdgeStats()
	switch {
	case !e.Joined || e.Connected || now.Sub(e.Heard) < unheardAfter:
		return api.Heard // if not joined, Health reports standby or connecting
	case now.Sub(e.Answered) < answeredWithin && now.Sub(e.Heard) < leaderless:
		return api.Awaited
	}
	return api.Unheard
}

// ready adds the state of the cluster to an answer of /readyz: the leader, and what is wrong.
func (s *clusterSource) ready(r ops.Readiness) ops.Readiness {
	if reason, remedy := s.trouble(); reason != "" {
		r.Cluster = &ops.ClusterTrouble{Reason: reason, Remedy: remedy}
	}
	if s.node.Leader() != nil {
		r.Leader = processName()
	} else {
		e := s.node.EdgeStats()
		if b := e.Beat; b != nil {
			r.Leader = b.Leader
		}
		if !r.OK() && s.cutOff(&e, time.Now()) {
			return r.CutOff(s.answered(&e), e.Error)
		}
	}
	if r.OK() && s.hearing(time.Now()) == api.Unheard {
		return r.Unheard()
	}
	return r
}

// trouble returns what is wrong between this bridge, as leader or edge, and the cluster, and
// the remedy; both are empty if nothing is.
func (s *clusterSource) trouble() (reason, remedy string) {
	if l := s.node.Leader(); l != nil {
		led := l.Stats()
		if led.Error == "" {
			return led.Warning, led.WarningRemedy
		}
		return led.Error, led.Remedy
	}
	e := s.node.EdgeStats()
	return e.Error, e.Remedy
}
