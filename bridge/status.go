package bridge

import (
	"net/http"
	"time"

	"chatbridge/bridge/hub"
	"chatbridge/bridge/pipeline"
	"chatbridge/mapping"
	"chatbridge/socketio/engineio"
)

// Build says which program runs.
type Build struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Go      string `json:"go"`
}

// Status is the body of /status: what the operator wants to know, with no
// message's content, no token and no secret in it.
type Status struct {
	Build   Build         `json:"build"`
	Started time.Time     `json:"started"`
	Ready   bool          `json:"ready"`
	Reason  string        `json:"reason"`
	Source  SourceHealth  `json:"source"`
	Events  EventStatus   `json:"events"`
	Clients ClientStatus  `json:"clients"`
	Replay  ReplayStatus  `json:"replay"`
	Mapping MappingStatus `json:"mapping"`
	// Realtime is there where the source is Supabase Realtime.
	Realtime *RealtimeStatus `json:"realtime,omitempty"`
	Gateway  any             `json:"gateway,omitempty"`
	// Warnings are what the operator should look into, newest last.
	Warnings []string `json:"warnings,omitempty"`
}

// EventStatus counts what was published since the start.
type EventStatus struct {
	Message       uint64 `json:"message"`
	Conversation  uint64 `json:"conversation"`
	MessageStatus uint64 `json:"messageStatus"`
	Typing        uint64 `json:"typing"`
	// Position is that of the newest event.
	Position string `json:"position,omitempty"`
	// Delay is the time from commit, by the database's clock, to publication.
	Delay DelayStatus `json:"delay"`
	// Gaps counts the losses that the source declared.
	Gaps    uint64     `json:"gaps"`
	LastGap *GapStatus `json:"lastGap,omitempty"`
}

// DelayStatus sums up a duration over all events since the start.
type DelayStatus struct {
	Count uint64  `json:"count"`
	Sum   float64 `json:"sumSeconds"`
	Mean  float64 `json:"meanSeconds"`
}

// GapStatus is a loss that the source declared.
type GapStatus struct {
	Reason string     `json:"reason"`
	Since  *time.Time `json:"since,omitempty"`
	Until  time.Time  `json:"until"`
}

// ClientStatus is who is connected, and why others are not.
type ClientStatus struct {
	Connected   int64 `json:"connected"`
	Websocket   int64 `json:"websocket"`
	Polling     int64 `json:"polling"`
	CatchingUp  int   `json:"catchingUp"`
	QueuedBytes int64 `json:"queuedBytes"`
	// Closed counts connections ended, Refused handshakes refused, Tokens
	// CONNECTs refused and Faults clients' events refused, each by reason.
	Closed  map[string]uint64 `json:"closed"`
	Refused map[string]uint64 `json:"refused"`
	Tokens  map[string]uint64 `json:"tokensRefused"`
	Faults  map[string]uint64 `json:"eventsRefused"`
}

// ReplayStatus is the state of the replay log.
type ReplayStatus struct {
	Events       int               `json:"events"`
	Bytes        int64             `json:"bytes"`
	Workspaces   int               `json:"workspaces"`
	OldestAge    float64           `json:"oldestAgeSeconds"`
	EvictedEarly uint64            `json:"evictedEarly"`
	CatchUps     map[string]uint64 `json:"catchUps"`
	Packets      uint64            `json:"packets"`
	// Gaps counts what clients could not be given and were told of, by why.
	Gaps map[string]uint64 `json:"gaps"`
	// Pauses counts the times that reading from the database waited for clients.
	Pauses        uint64  `json:"pauses"`
	PausedSeconds float64 `json:"pausedSeconds"`
}

// MappingStatus is what rows made no event, and why.
type MappingStatus struct {
	Skipped      map[string]uint64 `json:"skipped"`
	Unmappable   map[string]uint64 `json:"unmappable"`
	UnknownWords map[string]uint64 `json:"unknownWords"`
	// Shortened and LeftOut count events larger than limits.event, by name.
	Shortened map[string]uint64 `json:"shortened"`
	LeftOut   map[string]uint64 `json:"leftOut"`
	Lookups   LookupStatus      `json:"lookups"`
}

// LookupStatus is how what rows lack was found.
type LookupStatus struct {
	// Failing tells that the latest look-up failed.
	Failing  bool   `json:"failing"`
	Asked    uint64 `json:"asked"`
	Timeouts uint64 `json:"timeouts"`
	Errors   uint64 `json:"errors"`
	// Short counts rows whose event went out without what a failed look-up
	// would have found. Owed of them are still to be corrected, Settled were,
	// Abandoned were given up.
	Short     uint64 `json:"short"`
	Owed      int64  `json:"owed"`
	Settled   uint64 `json:"settled"`
	Abandoned uint64 `json:"abandoned"`
}

func lookupStatus(l mapping.LookupStats) LookupStatus {
	return LookupStatus{
		Failing: l.Failing, Asked: l.Batches, Timeouts: l.Timeouts, Errors: l.Errors,
		Short: l.Short, Owed: l.Owed, Settled: l.Settled, Abandoned: l.Abandoned,
	}
}

// Status returns the daemon's state at this moment.
func (d *Daemon) Status() Status {
	now := time.Now()
	health := d.source.Health()
	ready, ok := judge(health, d.cfg.Health.Grace, now)
	rows, feeding, io := d.pipeline.Stats(), d.api.Hub().Stats(), d.api.SocketIO().Stats()
	s := Status{
		Build: d.build, Started: d.started, Ready: ok, Reason: ready.Reason, Source: health,
		Events: eventStatus(rows, feeding),
		Clients: ClientStatus{
			Connected: io.Sockets - int64(feeding.Feeds), Websocket: io.WebSocket, Polling: io.Polling,
			CatchingUp: feeding.Catching, QueuedBytes: io.QueuedBytes,
			Closed: reasons(io.Closes), Refused: reasons(io.Refusals),
		},
		Replay: ReplayStatus{
			Events: feeding.Replay.Events, Bytes: feeding.Replay.Bytes, Workspaces: feeding.Replay.Workspaces,
			OldestAge: feeding.Replay.Oldest.Seconds(), EvictedEarly: feeding.Replay.EvictedEarly,
			Packets: feeding.CaughtUp, Pauses: feeding.Pauses, PausedSeconds: feeding.Paused.Seconds(),
		},
		Mapping: MappingStatus{
			Skipped: rows.Mapping.Skipped, Unmappable: rows.Mapping.Unmappable,
			UnknownWords: rows.Mapping.UnknownWords, Lookups: lookupStatus(rows.Mapping.Lookups),
			Shortened: rows.Mapping.Shortened, LeftOut: rows.Mapping.LeftOut,
		},
		Warnings: d.warnings.list(),
	}
	s.Replay.CatchUps, s.Replay.Gaps = feeding.ByReason()
	refused := d.api.Stats()
	s.Clients.Tokens, s.Clients.Faults = refused.TokensRefused, refused.EventsRefused
	if rt, ok := d.source.(*realtimeSource); ok {
		s.Realtime = rt.status(now)
	}
	if d.gateway != nil {
		s.Gateway = d.gateway.Status()
	}
	return s
}

func eventStatus(p pipeline.Stats, h hub.Stats) EventStatus {
	e := EventStatus{
		Message: h.Published[mapping.Message], Conversation: h.Published[mapping.Conversation],
		MessageStatus: h.Published[mapping.MessageStatus], Typing: h.Published[mapping.Typing],
		Gaps: p.Gaps, Delay: DelayStatus{Count: p.Delay.Count, Sum: p.Delay.Sum.Seconds()},
	}
	if !h.Replay.Head.IsZero() {
		e.Position = h.Replay.Head.String()
	}
	if p.Delay.Count > 0 {
		e.Delay.Mean = e.Delay.Sum / float64(e.Delay.Count)
	}
	if g := p.LastGap; g != nil {
		e.LastGap = &GapStatus{Reason: g.Reason, Until: g.Until.UTC()}
		if !g.Since.IsZero() {
			since := g.Since.UTC()
			e.LastGap.Since = &since
		}
	}
	return e
}

// reasons names the counts that are not zero.
func reasons(counts [engineio.NumReasons]uint64) map[string]uint64 {
	named := make(map[string]uint64)
	for reason, n := range counts {
		if n > 0 {
			named[engineio.Reason(reason).String()] = n
		}
	}
	return named
}

func (d *Daemon) serveStatus(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, d.Status())
}
