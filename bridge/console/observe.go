package console

import (
	"strings"
	"time"

	"chatbridge/bridge/gateway"
	"chatbridge/bridge/logging"
	"chatbridge/bridge/ops"
	"chatbridge/internal/plural"
	"chatbridge/source"
)

// observe notes what changed from one Snapshot to the next; before is nil for the first.
func (t *timeline) observe(before, now *ops.Snapshot) {
	note := func(at time.Time, e Entry) { t.note(within(at, now), scrubbed(e)) }
	if before == nil {
		note(now.Started, Entry{Part: "bridge", Title: "The bridge was started", Reason: now.Build.Version})
		before = &ops.Snapshot{Taken: now.Started, Reload: ops.Reload{OK: true, Last: now.Reload.Last}}
	}
	t.observeState(before, now)
	observeSource(before, now, note)
	observeGaps(before, now, note)
	observeGateway(before, now, note)
	observeCluster(before, now, note)
	observeFiles(before, now, note)
	observeReload(before, now, note)
	observeWarnings(before, now, note)
	if now.AdminTokenBursts > before.AdminTokenBursts {
		note(now.Taken, Entry{
			Level: Note, Part: "bridge", Title: "Wrong values of admin.token are shown",
			Do: "See in the log which addresses show them: a program with an old one, or somebody who tries.", Runbook: "bridgeadmintokensrefused",
		})
	}
}

type noteFunc func(at time.Time, e Entry)

// within is a time between the bridge's start and now.
func within(at time.Time, now *ops.Snapshot) time.Time {
	switch {
	case at.IsZero() || at.After(now.Taken):
		return now.Taken
	case at.Before(now.Started):
		return now.Started
	}
	return at
}

func scrubbed(e Entry) Entry {
	e.Title = logging.Scrub(e.Title)
	e.Reason, e.Do = once(logging.Scrub(e.Reason), logging.Scrub(e.Do))
	return e
}

// observeState tells of the state that the source is in: once while it lasts, with the
// latest reason, and as bad as the verdict has it.
func (t *timeline) observeState(before, now *ops.Snapshot) {
	b, n := &before.Source, &now.Source
	if n.State == ops.StateStopped && b.State == "" {
		return // it has just started
	}
	e := scrubbed(sourceEntry(now))
	switch {
	case n.State != b.State || n.Flowing != b.Flowing || !n.Since.Equal(b.Since) || t.state == nil:
		t.enter(within(n.Since, now), e)
	case !n.Flowing:
		t.amend(e)
	}
}

func observeSource(before, now *ops.Snapshot, note noteFunc) {
	b, n := &before.Source, &now.Source
	if n.Losing != b.Losing {
		if n.Losing != "" {
			note(now.Taken, Entry{Level: Degraded, Part: "source", Title: "Events may be missing or late", Reason: n.Losing, Do: n.Remedy})
		} else if b.Flowing && n.Flowing {
			note(now.Taken, Entry{Part: "source", Title: "Nothing is missing or late any more"})
		}
	}
	if ws := walStatus(now); ws != walStatus(before) && ws != "" {
		e := Entry{Part: "database", Title: "The slot's WAL is " + ws}
		if ws == "unreserved" || ws == "lost" {
			e.Level, e.Runbook = Degraded, "bridgeslotlosing"
		}
		if walStatus(before) != "" || e.Level > OK {
			note(now.Taken, e)
		}
	}
	if b, n := before.Pipeline.Mapping.Lookups.Failing, now.Pipeline.Mapping.Lookups.Failing; n != b {
		if n {
			note(now.Taken, Entry{Level: Degraded, Part: "mapping", Title: "Look-ups fail", Runbook: "bridgelookupsfailing"})
		} else {
			note(now.Taken, Entry{Part: "mapping", Title: "Look-ups work again"})
		}
	}
	if now.Realtime == nil {
		return
	}
	was := map[string]string{}
	if before.Realtime != nil {
		for _, c := range before.Realtime.Channels {
			was[c.Table] = string(c.State)
		}
	}
	for _, c := range now.Realtime.Channels {
		if state := string(c.State); state != was[c.Table] {
			e := Entry{Part: "source", Title: "The channel of " + c.Table + " is " + state, Reason: c.Error}
			if c.Error != "" {
				e.Level = Degraded
			}
			note(c.Since, e)
		}
	}
}

// sourceEntry tells of the state that the source came into.
func sourceEntry(s *ops.Snapshot) Entry {
	h := &s.Source
	e := Entry{Part: "source", Reason: h.Reason, Do: h.Remedy}
	switch {
	case h.Flowing:
		e.Title = "Events flow"
	case h.State == ops.StateStandby:
		e.Level, e.Title = Note, "The bridge stands by: another one has the slot"
	case h.State == ops.StateBlocked || h.State == ops.StateFailed:
		e.Level, e.Title, e.Runbook = Down, "The source is "+string(h.State), "bridgesourceblocked"
	case h.State == ops.StateConnecting || h.State == ops.StateJoining:
		e.Level, e.Title = Note, "The bridge connects to the source"
	case h.State == ops.StateStopped:
		e.Level, e.Title = Note, "The source is stopped"
	default:
		e.Level, e.Title, e.Runbook = Down, "The source is away: "+string(h.State), "bridgenotready"
		if found := sourceProblems(s); len(found) > 0 {
			e.Level = found[0].Level
			if e.Do == "" {
				e.Do = found[0].Do
			}
		}
	}
	return e
}

func walStatus(s *ops.Snapshot) string {
	if s.Postgres == nil || s.Postgres.Slot == nil {
		return ""
	}
	return s.Postgres.Slot.WALStatus
}

// gapProblem tells of a loss.
func gapProblem(g *source.Gap, now time.Time) Problem {
	p := Problem{
		Level: Degraded, Part: "source", Title: "Changes were lost until " + clock(g.Until, now), What: g.Reason, Since: g.Until,
		Do: "Tell users to reload their page: then they see what happened meanwhile. The bridge goes on by itself.", Runbook: "bridgegap",
	}
	if !g.Since.IsZero() {
		p.Title = "Changes were lost between " + clock(g.Since, now) + " and " + clock(g.Until, now)
	}
	if g.Reload {
		p.Do += " What was shown before may not exist any more."
	}
	return p
}

func observeGaps(before, now *ops.Snapshot, note noteFunc) {
	if n := now.Pipeline.Gaps - before.Pipeline.Gaps; n > 0 {
		e := Entry{Level: Degraded, Part: "source", Title: "One event was lost, and its workspace told", Runbook: "bridgegap"}
		if g := now.Pipeline.LastGap; g != nil && g != before.Pipeline.LastGap {
			p := gapProblem(g, now.Taken)
			e.Title, e.Reason, e.Do, e.alone = p.Title, p.What, p.Do, true
		}
		if n > 1 {
			e.Title += " (and " + plural.Of(n-1, "loss", "losses") + " just before)"
		}
		note(now.Taken, e)
	}
	if b, n := before.Repair, now.Repair; n != nil {
		healed := n.Healed
		if b != nil {
			healed -= b.Healed
		}
		if healed > 0 {
			note(now.Taken, Entry{Part: "source", Title: "What the source had missed was read back from the tables: nothing is missing"})
		}
	}
}

func observeGateway(before, now *ops.Snapshot, note noteFunc) {
	if now.Gateway == nil {
		return
	}
	var b gateway.Status
	first := before.Gateway == nil
	if !first {
		b = before.Gateway.Status
	}
	n := &now.Gateway.Status
	if n.Mode != b.Mode && !first {
		note(now.Taken, Entry{Level: Note, Part: "chatengine", Title: "The gateway was ordered " + string(n.Mode)})
	}
	if n.State == b.State && !first {
		return
	}
	e := Entry{Part: "chatengine", Reason: n.Reason}
	switch n.State {
	case gateway.Local:
		e.Level, e.Title, e.Runbook = Degraded, "The bridge serves in ChatEngine's place", "bridgeservesalone"
		if n.Mode == gateway.HoldLocal {
			e.Level, e.Runbook = Note, "bridgegatewayheld"
		}
	case gateway.HandingBack:
		e.Level, e.Title = Note, "Clients are handed back to ChatEngine"
	default:
		e.Title = "ChatEngine serves"
	}
	note(n.Since, e)
}

func observeCluster(before, now *ops.Snapshot, note noteFunc) {
	n := now.Cluster
	if n == nil {
		return
	}
	b := before.Cluster
	if b == nil {
		b = &ops.Cluster{Connected: true}
	}
	if n.Role != b.Role {
		note(now.Taken, Entry{Level: Note, Part: "cluster", Title: "This bridge is the cluster's " + n.Role})
	}
	if n.Leader != b.Leader && n.Leader != "" && n.Role == ops.ClusterEdge {
		note(n.LeaderSince, Entry{Level: Note, Part: "cluster", Title: "The leader is " + n.Leader})
	}
	if n.Connected != b.Connected {
		e := Entry{Part: "cluster", Title: "The cluster works again"}
		if !n.Connected {
			e = Entry{Level: Degraded, Part: "cluster", Title: "The cluster does not work", Reason: n.Error, Do: n.Remedy, Runbook: "bridgeclusterbroken"}
			if n.Role == ops.ClusterLeader {
				e.Runbook = "bridgeclusterredisaway"
			}
		}
		note(now.Taken, e)
	}
	if n.Rejoins > b.Rejoins {
		note(now.Taken, Entry{Level: Degraded, Part: "cluster", Title: "Redis did not hold what came next; the bridge began anew", Runbook: "bridgeclusterlosesdata"})
	}
}

// observeFiles tells of the spool and the ledger.
func observeFiles(before, now *ops.Snapshot, note noteFunc) {
	if n := now.Spool; n != nil {
		was := before.Spool == nil || before.Spool.Open
		switch {
		case was && !n.Open && n.Error != "":
			note(now.Taken, Entry{Level: Degraded, Part: "webhooks", Title: "Webhooks cannot be kept", Reason: n.Error, Runbook: "bridgespoolunavailable"})
		case !was && n.Open:
			note(now.Taken, Entry{Part: "webhooks", Title: "Webhooks can be kept"})
		}
	}
	if n := now.Ledger; n != nil {
		was := ""
		if before.Ledger != nil {
			was = before.Ledger.Error
		}
		switch {
		case was == "" && n.Error != "":
			note(now.Taken, Entry{Level: Degraded, Part: "mapping", Title: "The ledger file cannot be written", Reason: n.Error, Runbook: "bridgeledgerfailing"})
		case was != "" && n.Error == "":
			note(now.Taken, Entry{Part: "mapping", Title: "The ledger file is written again"})
		}
	}
}

func observeReload(before, now *ops.Snapshot, note noteFunc) {
	if now.Reload.Succeeded > before.Reload.Succeeded {
		e := Entry{Level: Note, Part: "bridge", Title: "The configuration was reloaded"}
		if keys := now.Reload.NeedsRestart; len(keys) > 0 {
			e.Title += "; some settings take a restart"
			e.Reason = "These settings differ from those in use, which only a restart changes: " + strings.Join(keys, ", ")
		}
		note(now.Reload.Last, e)
	}
	if now.Reload.Failed > before.Reload.Failed {
		note(now.Taken, Entry{Level: Degraded, Part: "bridge", Title: "A reload was refused; the configuration before it is in use", Reason: now.Reload.Error, Runbook: "bridgereloadfailed"})
	}
}

// observeWarnings tells of the warnings that are new. Each begins with its time.
func observeWarnings(before, now *ops.Snapshot, note noteFunc) {
	had := make(map[string]bool, len(before.Warnings))
	for _, w := range before.Warnings {
		had[w] = true
	}
	for _, w := range now.Warnings {
		if had[w] {
			continue
		}
		at, text := now.Taken, w
		if stamp, rest, ok := strings.Cut(w, " "); ok {
			if t, err := time.Parse(time.RFC3339, stamp); err == nil {
				at, text = t, rest
			}
		}
		note(at, Entry{Level: Note, Part: "mapping", Title: "Something does not fit the mapping", Reason: text, Runbook: "bridgeunmappable"})
	}
}
