package console

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"chatbridge/bridge/gateway"
	"chatbridge/bridge/logging"
	"chatbridge/bridge/ops"
	"chatbridge/internal/plural"
	"chatbridge/source/realtime"
)

// Problem is something that the operator should know now: what, why, and what to do.
type Problem struct {
	Level Level `json:"level"`
	// Part is whose: database, source, mapping, log, clients, chatengine, cluster, webhooks
	// or bridge.
	Part string `json:"part"`
	// Title is one sentence, What why it is so, Do the remedy.
	Title string `json:"title"`
	What  string `json:"what,omitempty"`
	Do    string `json:"do,omitempty"`
	// Since is when it began, zero where that is not known.
	Since time.Time `json:"since,omitzero"`
	// Runbook is the heading's anchor in the runbook.
	Runbook string `json:"runbook,omitempty"`
}

// The bounds from which on something is told; those of the alerts, or earlier, since who
// looks at the page wants to know before he is woken.
const (
	lagBound         = 10.0 // seconds
	heldBound        = 512 << 20
	certificateBound = 14 * 24 * time.Hour
	spoolWaitBound   = 5 * time.Minute
	queuedBound      = 64 << 20
	// startTime is how long a bridge may take to connect for the first time.
	startTime = 15 * time.Second
	// gapTime is for how long a loss is in front: users have to reload for it.
	gapTime = time.Hour
)

// problems are what is wrong as of a Snapshot, worst first; of one level, in the order of
// the path.
func problems(s *ops.Snapshot) []Problem {
	var all []Problem
	for _, of := range []func(*ops.Snapshot) []Problem{
		sourceProblems, gapProblems, rivalProblems, slotProblems, mappingProblems, clientProblems, gatewayProblems, spoolProblems, clusterProblems, realtimeProblems, bridgeProblems,
	} {
		all = append(all, of(s)...)
	}
	slices.SortStableFunc(all, func(a, b Problem) int { return int(b.Level) - int(a.Level) })
	for i := range all {
		all[i].What, all[i].Do = once(logging.Scrub(all[i].What), logging.Scrub(all[i].Do))
	}
	return all
}

// once removes a remedy from a reason that ends with it, as errors do.
func once(why, remedy string) (string, string) {
	if rest, ok := strings.CutSuffix(why, remedy); ok && remedy != "" {
		why = strings.TrimRight(rest, ";:, ")
	}
	return why, remedy
}

// verdict is the first sentence of the page: the worst problem, or that all is well.
func verdict(s *ops.Snapshot, found []Problem) Problem {
	if len(found) > 0 && found[0].Level > Note {
		return found[0]
	}
	title := "Events flow to " + plural.Of(s.Connected(), "client", "clients")
	switch {
	case s.Source.State == ops.StateStandby:
		return Problem{
			Level: Note, Part: "source", Title: "Another bridge serves; this one stands by",
			What: "It takes over when the other one ends. Load balancers send no clients here meanwhile.", Since: s.Source.Since,
		}
	case s.Gateway != nil && s.Gateway.Status.State == gateway.Upstream:
		title = "ChatEngine serves; the bridge is ready to take over"
	case s.Connected() == 0:
		title = "Events flow; no client is connected"
	}
	p := Problem{Level: OK, Title: title, Since: s.Source.Since}
	if !s.Source.Flowing && len(found) > 0 {
		return found[0] // it has just started
	}
	if len(found) > 0 {
		p.Level, p.What, p.Do, p.Runbook, p.Part = Note, found[0].Title, found[0].Do, found[0].Runbook, found[0].Part
	}
	return p
}

func sourceProblems(s *ops.Snapshot) []Problem {
	h := &s.Source
	p := Problem{Level: Down, Part: "source", What: h.Reason, Do: h.Remedy, Since: h.Since, Runbook: "bridgenotready"}
	switch {
	case s.Ready.Status == ops.ReadyStopping:
		return []Problem{{Level: Down, Part: "bridge", Title: "The bridge is shutting down", What: "Its clients are closed in small batches, and go to another bridge or wait for this one."}}
	case h.State == ops.StateStandby:
		return nil
	case h.Flowing && h.Losing != "":
		p.Level, p.Title, p.What = Degraded, "Events flow, and some may be missing or late", h.Losing
		if h.Kind == "realtime" {
			p.Runbook = "bridgereconcilefailing"
		} else {
			p.Runbook = "bridgesourceblocked"
		}
	case h.Flowing && h.Lag > lagBound:
		p.Level, p.Runbook = Degraded, "bridgelagging"
		p.Title = "Events are " + timeText(h.Lag) + " late"
		p.What = "The bridge reads what was committed then; " + bytesText(float64(h.LagBytes)) + " are still to be read."
		p.Do = "A large import or migration passes by itself. Otherwise look at the look-ups and at the machine's processor."
		if s.Cluster != nil && s.Cluster.Role == ops.ClusterEdge {
			p.Runbook, p.What = "bridgeclusteredgebehind", "This bridge reads from Redis more slowly than the leader appends."
			p.Do = "Look at this machine's processor, and at the network to Redis."
		}
	case h.Flowing:
		return nil
	case h.State == ops.StateBlocked, h.State == ops.StateFailed:
		p.Title, p.Runbook = "Events do not flow: the database has to be changed first", "bridgesourceblocked"
	case starting(s):
		return []Problem{{Level: Note, Part: "source", Title: "The bridge has just started and connects to the database", What: h.Reason, Since: s.Started}}
	case h.FlowedUntil.IsZero():
		p.Title = "Not connected to the database yet"
		if h.Kind == "realtime" {
			p.Title = "Not connected to Realtime yet"
		}
	case s.Ready.OK():
		p.Level, p.Title = Degraded, "The database went away a moment ago; the bridge connects again"
	default:
		p.Title = "Events do not flow since " + clock(h.FlowedUntil, s.Taken)
	}
	if p.Do == "" && !h.Flowing {
		p.Do = "Bring the database back; the bridge goes on by itself within seconds. Clients stay connected and lose nothing while the slot keeps the changes."
		if h.Kind == "realtime" {
			p.Do = "The bridge connects again by itself, and reads back what it missed."
		}
	}
	return []Problem{p}
}

// starting tells that the bridge has not been connected yet, and that it need not be.
func starting(s *ops.Snapshot) bool {
	h := &s.Source
	on := h.State == ops.StateStopped || h.State == ops.StateConnecting || h.State == ops.StateJoining
	return on && !h.Flowing && h.FlowedUntil.IsZero() && s.Taken.Sub(s.Started) < startTime
}

// gapProblems tell of the latest loss for as long as users may still have to reload.
func gapProblems(s *ops.Snapshot) []Problem {
	if !recentGap(s) {
		return nil
	}
	return []Problem{gapProblem(s.Pipeline.LastGap, s.Taken)}
}

func recentGap(s *ops.Snapshot) bool {
	g := s.Pipeline.LastGap
	return g != nil && s.Taken.Sub(g.Until) <= gapTime
}

// rivalProblems tell of bridges of no cluster that use one slot: only one has the events.
func rivalProblems(s *ops.Snapshot) []Problem {
	if len(s.Source.Rivals) == 0 {
		return nil
	}
	return []Problem{{
		Level: Degraded, Part: "database", Title: "Another bridge uses the slot of this one: clients of one of them get nothing",
		What: "It is " + strings.Join(s.Source.Rivals, ", ") + ", by host and process.",
		Do:   "Stop the one that was started by mistake, or give it a source.postgres.slot of its own; or make both one with cluster.redis_url.", Runbook: "bridgeslotshared",
	}}
}

func slotProblems(s *ops.Snapshot) []Problem {
	if s.Postgres == nil || s.Postgres.Slot == nil {
		return nil
	}
	slot := s.Postgres.Slot
	switch {
	case slot.WALStatus == "lost":
		return []Problem{{
			Level: Degraded, Part: "database", Title: "The slot is lost", What: "The server has removed WAL that the slot needed.",
			Do: "The bridge makes a new slot and tells what is missing.", Runbook: "bridgeslotlosing",
		}}
	case slot.WALStatus == "unreserved":
		return []Problem{{
			Level: Degraded, Part: "database", Title: "The server is about to remove WAL that the slot needs",
			What: "The slot holds back " + bytesText(float64(slot.HeldBack)) + ", more than max_slot_wal_keep_size allows.",
			Do:   "Get the bridge to follow again now, or raise max_slot_wal_keep_size if the disk allows.", Runbook: "bridgeslotlosing",
		}}
	case slot.HeldBack > heldBound:
		return []Problem{{
			Level: Degraded, Part: "database", Title: "The slot holds " + bytesText(float64(slot.HeldBack)) + " of WAL on the database's disk",
			What: bytesText(float64(slot.Unconfirmed)) + " of it are not confirmed by the bridge; the rest is held by a long transaction.",
			Do:   "If the bridge follows, look for a transaction that has been open for long (pg_stat_activity).", Runbook: "bridgeslotholdswal",
		}}
	}
	return nil
}

func mappingProblems(s *ops.Snapshot) (all []Problem) {
	m := &s.Pipeline.Mapping
	if m.Lookups.Failing {
		all = append(all, Problem{
			Level: Degraded, Part: "mapping", Title: "Look-ups fail: events go out without names or last messages",
			What: countText(m.Lookups.Owed) + " events are still to be corrected; they are when look-ups work again.",
			Do:   "See whether the database is slow, or lookup.url wrong; bridge check asks every question once.", Runbook: "bridgelookupsfailing",
		})
	}
	if n := total(m.Unmappable); n > 0 {
		all = append(all, Problem{
			Level: Note, Part: "mapping", Title: plural.Of(n, "row", "rows") + " could not be mapped since the start",
			Do: "The warnings below name table, key and reason.", Runbook: "bridgeunmappable",
		})
	}
	if n := total(m.UnknownWords); n > 0 {
		all = append(all, Problem{
			Level: Note, Part: "mapping", Title: plural.Of(n, "value", "values") + " since the start had no word in the mapping; the fallback was used",
			Do: "They are listed below, under what was refused. Add them in mapping.file.", Runbook: "bridgeunknownword",
		})
	}
	if s.Ledger != nil && s.Ledger.Error != "" {
		all = append(all, Problem{Level: Degraded, Part: "mapping", Title: "The ledger file cannot be written", What: s.Ledger.Error, Do: "Put it right before the next restart.", Runbook: "bridgeledgerfailing"})
	}
	return all
}

func clientProblems(s *ops.Snapshot) (all []Problem) {
	if s.Sockets.QueuedBytes > queuedBound {
		all = append(all, Problem{
			Level: Note, Part: "clients", Title: bytesText(float64(s.Sockets.QueuedBytes)) + " wait for clients that are slow to read",
			Do: "A few are phones in a lift. Many at a time: the network or this machine is full.", Runbook: "bridgeslowclients",
		})
	}
	sends := s.SendMode != "" && s.SendMode != "refuse"
	if sends && !s.Send.Ready && s.Send.Reason != "" {
		all = append(all, Problem{Level: Degraded, Part: "clients", Title: "What clients write cannot be sent", What: s.Send.Reason, Runbook: "sending"})
	}
	if s.Auth.Keys.Error != "" {
		all = append(all, Problem{Level: Degraded, Part: "clients", Title: "The keys that tokens are verified with cannot be read", What: s.Auth.Keys.Error, Runbook: "bridgetokensunjudged"})
	}
	return all
}

func gatewayProblems(s *ops.Snapshot) []Problem {
	if s.Gateway == nil {
		return nil
	}
	g := &s.Gateway.Status
	p := Problem{Level: Degraded, Part: "chatengine", Since: g.Since, What: g.Reason, Runbook: "bridgeservesalone"}
	held := func(say string) []Problem {
		p.Level, p.Title, p.Runbook = Note, say, "bridgegatewayheld"
		p.Do = "Order auto when it is over."
		return []Problem{p}
	}
	switch {
	case g.Mode == gateway.HoldLocal:
		all := held("By your order the bridge serves, whatever ChatEngine does")
		if !g.Healthy && !g.Probed.IsZero() {
			down := Problem{Level: Degraded, Part: "chatengine", Title: "ChatEngine does not answer; by your order the bridge serves its clients", What: g.ProbeError, Runbook: "bridgegatewayheld"}
			down.Do = "Bring ChatEngine back before you order auto: until then clients would stay here anyway."
			all = append(all, down)
		}
		return all
	case g.Mode == gateway.HoldUpstream && !g.Healthy && !g.Probed.IsZero():
		p.Level, p.Title, p.What = Down, "ChatEngine does not answer, and by your order the bridge does not step in", g.ProbeError
		p.Do, p.Runbook = "Order auto, and the bridge serves until ChatEngine is back.", "bridgegatewayheld"
		return []Problem{p}
	case g.Mode == gateway.HoldUpstream:
		return held("By your order everything goes to ChatEngine, also when it fails")
	case g.State == gateway.Local:
		p.Title = "ChatEngine is down; the bridge serves its clients"
		p.Do = "Bring ChatEngine back: clients are handed back by themselves once it has been well for " + g.RecoverAfter + "."
		if s.SendMode == "" || s.SendMode == "refuse" {
			p.Do += " Until then screens live, and texts cannot be sent."
		}
		return []Problem{p}
	case g.State == gateway.HandingBack:
		p.Level, p.Title, p.Runbook = Note, "ChatEngine is back; clients are being handed back to it", ""
		return []Problem{p}
	}
	return nil
}

func spoolProblems(s *ops.Snapshot) (all []Problem) {
	k := s.Spool
	if k == nil {
		return nil
	}
	add := func(level Level, runbook, title, what, do string) {
		all = append(all, Problem{Level: level, Part: "webhooks", Title: title, What: what, Do: do, Runbook: runbook})
	}
	if !k.Open {
		add(Degraded, "bridgespoolunavailable", "Webhooks cannot be kept", k.Error, "Look at the disk and the rights of spool.dir; the bridge tries again by itself.")
	}
	if n := k.Refused["full"]; n > 0 && k.Bytes > k.MaxBytes/10*9 {
		add(Degraded, "bridgespoolrefusing", "The spool is full: webhooks are refused", "", "Get ChatEngine back, or raise spool.max_bytes and restart the bridge.")
	}
	well := s.Gateway != nil && s.Gateway.Status.Healthy
	if k.OldestAge > spoolWaitBound && well {
		add(Degraded, "bridgespoolwaiting", "A webhook has waited for "+timeText(k.OldestAge.Seconds())+" although ChatEngine is well", "", "bridge spool list has each one's last error.")
	}
	if k.Dead > 0 {
		add(Note, "bridgespooldeadletters", plural.Of(k.Dead, "webhook was", "webhooks were")+" refused by ChatEngine for good", "", "bridge spool list --dead says which.")
	}
	if k.SetAside > 0 {
		add(Degraded, "bridgespoolsetaside", "The spool's file was damaged and is set aside", "What had waited in it was not sent.", "Look for the disk's errors.")
	}
	return all
}

func clusterProblems(s *ops.Snapshot) []Problem {
	c := s.Cluster
	if c == nil {
		return nil
	}
	all := strangerProblems(c)
	if c.Connected || c.Role == "" {
		return all
	}
	p := Problem{Level: Degraded, Part: "cluster", Title: "Redis cannot be used: the other bridges get no events", What: c.Error, Do: cmp.Or(c.Remedy, "Bring Redis back; it may be empty."), Runbook: "bridgeclusterbroken"}
	if c.Role == ops.ClusterEdge {
		p.Title = "This bridge hears no leader"
	} else {
		p.Runbook = "bridgeclusterredisaway"
	}
	return append(all, p)
}

// strangerProblems tell of bridges that have the cluster's name and do not belong to it, or
// are not as the others.
func strangerProblems(c *ops.Cluster) (all []Problem) {
	for _, f := range c.Foreign {
		all = append(all, Problem{
			Level: Degraded, Part: "cluster", Title: "A bridge of another database has this cluster's name: " + f.Bridge, Since: f.Since,
			What: "Each keeps to its own database; nothing is mixed.", Do: "Give each cluster a cluster.name of its own.", Runbook: "bridgeclusternameshared",
		})
	}
	for _, d := range c.Differing {
		all = append(all, Problem{
			Level: Degraded, Part: "cluster", Title: "A bridge of the cluster has another " + d.Setting, What: d.Text() + ".", Since: d.Since,
			Do: "Give all bridges of the cluster the same " + d.Setting + ". During a deploy that changes it, wait.", Runbook: "bridgeclusterdiffers",
		})
	}
	for _, address := range c.Outdated {
		all = append(all, Problem{
			Level: Degraded, Part: "cluster", Title: "A bridge of another version has this cluster's name", What: "It is " + address + ".",
			Do: "Run the same version on all nodes.", Runbook: "bridgeclusterdiffers",
		})
	}
	return all
}

func realtimeProblems(s *ops.Snapshot) (all []Problem) {
	if s.Realtime == nil {
		return nil
	}
	for _, c := range s.Realtime.Channels {
		if c.State == realtime.ChannelRefused {
			all = append(all, Problem{Level: Degraded, Part: "source", Title: "Realtime refuses the table " + c.Table, What: c.Error, Since: c.Since, Runbook: "bridgechannelrefused"})
		}
	}
	return all
}

func bridgeProblems(s *ops.Snapshot) (all []Problem) {
	if !s.Reload.OK && s.Reload.Failed > 0 {
		all = append(all, Problem{
			Level: Degraded, Part: "bridge", Title: "The last reload was refused; the configuration before it is in use", What: s.Reload.Error,
			Do: "Mend the configuration and reload before anything restarts the bridge: it would not start.", Runbook: "bridgereloadfailed",
		})
	}
	if e := s.CertificateExpires; !e.IsZero() && e.Sub(s.Taken) < certificateBound {
		p := Problem{Level: Note, Part: "bridge", Title: "The TLS certificate expires in " + timeText(e.Sub(s.Taken).Seconds()), Do: "Renew it; the bridge notices changed files by itself.", Runbook: "bridgecertificateexpires"}
		if !e.After(s.Taken) {
			p.Level, p.Title = Down, "The TLS certificate has expired: clients refuse it"
		}
		all = append(all, p)
	}
	if s.DescriptorsRefused > 0 {
		all = append(all, Problem{
			Level: Note, Part: "bridge", Title: fmt.Sprintf("%s refused for want of file descriptors since the start", plural.Of(s.DescriptorsRefused, "connection was", "connections were")),
			Do: "Raise LimitNOFILE.", Runbook: "bridgefiledescriptors",
		})
	}
	if s.HeadlessClosed > 0 {
		all = append(all, Problem{
			Level: Note, Part: "bridge", Title: fmt.Sprintf("%s closed since the start: one address has too many that send no request", plural.Of(s.HeadlessClosed, "connection was", "connections were")),
			Do: "The log names the address. A proxy? Name it in proxies.trusted.", Runbook: "bridgelimitreached",
		})
	}
	return all
}
