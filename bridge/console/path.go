package console

import (
	"fmt"
	"math"
	"strings"

	"chatbridge/bridge/gateway"
	"chatbridge/bridge/logging"
	"chatbridge/bridge/ops"
	"chatbridge/internal/plural"
)

// Part is one station of an event on its way, as the picture shows it.
type Part struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Level Level  `json:"level"`
	// State is one or two words.
	State   string   `json:"state"`
	Figures []Figure `json:"figures"`
	// Flow is what passes on to the next part in a second; Flows that it is more than
	// nothing.
	Flow  string `json:"flow,omitempty"`
	Flows bool   `json:"flows,omitempty"`
}

// Figure is a number with its name.
type Figure struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// path are the parts from the database to the clients. The level of each is the worst of
// its problems.
func path(s *ops.Snapshot, r *rates, found []Problem) []Part {
	parts := []Part{databasePart(s, r), sourcePart(s, r), mappingPart(s, r), logPart(s, r), clientsPart(s, r)}
	mark(parts, found)
	return parts
}

// Lane is another way that is beside the path: through ChatEngine, of webhooks, or between
// the nodes of a cluster.
type Lane struct {
	Name  string `json:"name"`
	Parts []Part `json:"parts"`
}

// lanes are those that this bridge has.
func lanes(s *ops.Snapshot, found []Problem) []Lane {
	all := []Lane{}
	if s.Gateway != nil {
		all = append(all, Lane{"Through the gateway", []Part{chatEnginePart(s), proxiedPart(s)}})
	}
	if s.Spool != nil {
		all = append(all, Lane{"Webhooks for ChatEngine", []Part{webhooksPart(s)}})
	}
	if s.Cluster != nil {
		all = append(all, Lane{"Cluster", clusterParts(s)})
	}
	for _, l := range all {
		mark(l.Parts, found)
	}
	return all
}

func mark(parts []Part, found []Problem) {
	for i := range parts {
		if parts[i].Figures == nil {
			parts[i].Figures = []Figure{} // a list for the page
		}
		for _, p := range found {
			if p.Part == parts[i].ID {
				parts[i].Level = max(parts[i].Level, p.Level)
			}
		}
	}
}

func (p *Part) figure(name, value string) { p.Figures = append(p.Figures, Figure{name, value}) }

// some is a figure that is shown only where it is not 0.
func (p *Part) some(name string, n uint64) {
	if n > 0 {
		p.figure(name, countText(n))
	}
}

func (p *Part) flow(perSecond float64, what string) {
	if !math.IsNaN(perSecond) {
		p.Flow, p.Flows = rateText(perSecond)+" "+what, perSecond > 0
	}
}

func databasePart(s *ops.Snapshot, r *rates) Part {
	p := Part{ID: "database", Name: "Database", State: "answers"}
	h := &s.Source
	switch {
	case h.State == ops.StateStandby:
		p.State, p.Level = "read by another bridge", Note
	case h.Flowing:
	case h.State == ops.StateBlocked || h.State == ops.StateFailed:
		p.State, p.Level = "has to be changed", Down
	case starting(s):
		p.State, p.Level = "connecting", Note
	default:
		p.State, p.Level = "not reached", awayLevel(s)
	}
	if h.Kind == "realtime" {
		p.Name = "Supabase"
	}
	if db := s.Postgres; db != nil {
		if v := db.ServerVersion; v > 0 {
			p.figure("Postgres", fmt.Sprintf("%d.%d", v/10000, v%10000))
		}
		if slot := db.Slot; slot != nil {
			p.figure("slot", slot.WALStatus)
			p.figure("WAL held", bytesText(float64(slot.HeldBack)))
		}
		if !math.IsNaN(r.wal) {
			p.Flow, p.Flows = bytesText(r.wal)+"/s", r.wal > 0 && h.Flowing
		}
	}
	return p
}

func sourcePart(s *ops.Snapshot, r *rates) Part {
	h := &s.Source
	p := Part{ID: "source", Name: "Source", State: string(h.State)}
	switch {
	case h.State == ops.StateStandby:
		p.Level = Note
	case starting(s):
		p.Level = Note
	case !h.Flowing:
		p.Level = awayLevel(s)
		if !h.FlowedUntil.IsZero() {
			p.figure("away for", timeText(math.Round(s.Taken.Sub(h.FlowedUntil).Seconds())))
		}
	default:
		switch {
		case h.Losing != "":
			p.State += ", and loses changes"
		case recentGap(s):
			p.State += "; changes were lost"
		}
		p.figure("late", timeText(h.Lag))
		if h.LagBytes >= 0 {
			p.figure("to be read", bytesText(float64(h.LagBytes)))
		}
	}
	if s.Realtime != nil {
		live := 0
		for _, c := range s.Realtime.Channels {
			if c.State == "live" {
				live++
			}
		}
		p.figure("tables live", fmt.Sprintf("%d of %d", live, len(s.Realtime.Channels)))
	}
	p.figure("changes", rateText(r.rows))
	p.flow(r.rows, "changes")
	return p
}

// awayLevel is how bad it is that the source is away: for a moment, clients hardly notice.
func awayLevel(s *ops.Snapshot) Level {
	if s.Ready.OK() {
		return Degraded
	}
	return Down
}

func mappingPart(s *ops.Snapshot, r *rates) Part {
	m := &s.Pipeline.Mapping
	p := Part{ID: "mapping", Name: "Mapping", State: "maps"}
	if m.Lookups.Failing {
		p.State = "look-ups fail"
	}
	p.figure("events", rateText(r.allEvents()))
	p.figure("not mapped", countText(total(m.Unmappable)))
	p.some("unknown words", total(m.UnknownWords))
	if m.Lookups.Owed > 0 {
		p.figure("to correct", countText(m.Lookups.Owed))
	}
	p.flow(r.allEvents(), "events")
	return p
}

func logPart(s *ops.Snapshot, r *rates) Part {
	l := &s.Hub.Replay
	p := Part{ID: "log", Name: "Log", State: "keeps " + plural.Of(l.Events, "event", "events")}
	p.figure("reaches back", timeText(math.Round(l.Oldest.Seconds())))
	p.figure("memory", bytesText(float64(l.Bytes)))
	p.flow(r.packets, "packets")
	return p
}

func clientsPart(s *ops.Snapshot, r *rates) Part {
	p := Part{ID: "clients", Name: "Clients", State: countText(s.Connected()) + " connected"}
	p.figure("commit to client", commitText(r))
	if s.Hub.Catching > 0 {
		p.figure("catching up", countText(s.Hub.Catching))
	}
	p.figure("waiting", bytesText(float64(s.Sockets.QueuedBytes)))
	if s.Sockets.Polling > 0 {
		p.figure("by polling", countText(s.Sockets.Polling))
	}
	return p
}

func commitText(r *rates) string {
	if math.IsNaN(r.p99) {
		return none
	}
	return timeText(r.p99) + " (p99)"
}

func chatEnginePart(s *ops.Snapshot) Part {
	g := &s.Gateway.Status
	p := Part{ID: "chatengine", Name: "ChatEngine", State: "not probed yet", Flow: "new clients", Flows: true}
	switch {
	case g.Probed.IsZero():
		p.Level = Note
	case !g.Healthy:
		p.Level, p.State = Degraded, "does not answer"
	case g.State == gateway.Upstream:
		p.State = "serves"
	case g.State == gateway.HandingBack:
		p.Level, p.State = Note, "is back; gets its clients"
	default:
		p.Level, p.State = Note, "answers; the bridge serves"
	}
	if g.State == gateway.Local {
		p.Flow, p.Flows = "new clients go to the bridge", false
	}
	p.figure("order", string(g.Mode))
	if !g.Healthy && g.ProbeError != "" {
		p.figure("probe", shorten(g.ProbeError, 120))
	}
	return p
}

// proxiedPart are the clients whose connection goes to ChatEngine.
func proxiedPart(s *ops.Snapshot) Part {
	p := Part{ID: "proxied", Name: "Clients at ChatEngine", State: countText(s.Gateway.Websockets) + " connected"}
	p.figure("polls under way", countText(s.Gateway.Requests))
	p.figure("came back to the bridge", countText(s.Gateway.HandedOver+s.Gateway.Broken))
	return p
}

// shorten cuts a text that somebody else wrote, and takes secrets out of it.
func shorten(s string, n int) string {
	if s = logging.Scrub(s); len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

func webhooksPart(s *ops.Snapshot) Part {
	k := s.Spool
	p := Part{ID: "webhooks", Name: "Webhooks kept", State: "none waits"}
	switch {
	case !k.Open:
		p.Level, p.State = Degraded, "cannot be kept"
	case k.Waiting > 0:
		p.State = plural.Of(k.Waiting, "waits", "wait")
		p.figure("oldest", timeText(math.Round(k.OldestAge.Seconds())))
	}
	if k.Dead > 0 {
		p.figure("refused for good", countText(k.Dead))
	}
	p.figure("room used", bytesText(float64(k.Bytes))+" of "+bytesText(float64(k.MaxBytes)))
	return p
}

// clusterParts are the leader, Redis and this bridge, as far as it knows of them.
func clusterParts(s *ops.Snapshot) []Part {
	c := s.Cluster
	redis := Part{ID: "cluster", Name: "Redis", State: "works"}
	if !c.Connected {
		redis.Level, redis.State = Degraded, "cannot be used"
		if c.Error != "" {
			redis.figure("why", shorten(c.Error, 120))
		}
	}
	redis.figure("other bridges", countText(c.Nodes))
	if c.NoticesError != "" {
		redis.figure("no notices come", shorten(c.NoticesError, 120))
	}
	redis.some("notices dropped", c.NoticesDropped)
	redis.some("sessions waiting", uint64(c.SessionsWaiting))
	redis.some("sessions not kept", c.SessionsFailed)
	redis.some("sessions over a share", c.SessionsRefused)
	redis.some("requests passed on", c.Forwarded)
	redis.some("not passed on", c.ForwardsFailed)
	leader := Part{ID: "leader", Name: "Leader", State: leaderText(c.Leader), Flow: "events", Flows: c.Connected}
	if !c.LeaderSince.IsZero() {
		leader.figure("leads since", clock(c.LeaderSince, s.Taken))
	}
	if c.Role != ops.ClusterEdge {
		leader.Name = "This bridge leads"
		redis.figure("events not in Redis", countText(c.Waiting))
		redis.figure("entries", countText(c.Appended))
		redis.some("appended again", c.Refills)
		redis.some("replaced", c.Replaced)
		redis.some("begun anew", c.Renewed)
		redis.some("events without room", c.EvictedUnserved)
		return []Part{leader, redis}
	}
	if c.Leader == "" {
		leader.Level = Degraded
	} else {
		leader.figure("heard", timeText(c.Unheard.Seconds())+" ago")
	}
	redis.Flow, redis.Flows = "events", c.Connected
	edge := Part{ID: "edge", Name: "This bridge", State: "edge"}
	if !c.Complete {
		edge.Level, edge.State = Degraded, "edge, not caught up"
	}
	edge.figure("entries read", countText(c.Read))
	edge.some("began anew", c.Rejoins)
	return []Part{leader, redis, edge}
}

func leaderText(name string) string {
	if name == "" {
		return "none heard"
	}
	return name
}
