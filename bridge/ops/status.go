package ops

import (
	"bytes"

	"chatbridge/bridge/api"
	"chatbridge/bridge/telemetry"
	"chatbridge/internal/jsonscan"
	"chatbridge/mapping/contract"
	"chatbridge/socketio/engineio"
)

// object is a JSON object whose members keep their order. One whose value is
// nil is left out; counts of which there is none yet are {}.
type object []member

type member struct {
	key   string
	value any
}

// MarshalJSON implements json.Marshaler.
func (o object) MarshalJSON() ([]byte, error) {
	b := bytes.NewBufferString("{")
	for _, m := range o {
		if m.value == nil {
			continue
		}
		if counts, ok := m.value.(map[string]uint64); ok && counts == nil {
			m.value = struct{}{}
		}
		text, err := jsonscan.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.WriteString(`"` + m.key + `":`) // no key needs an escape
		b.Write(text)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// unlessEmpty returns s, or nil for an empty one.
func unlessEmpty(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// status is the body of /status: what the operator wants to know, with no
// message's content, no token and no secret in it.
func (s *Snapshot) status() object {
	body := object{
		{"build", s.Build},
		{"started", s.Started},
		{"memory", object{{"limitBytes", s.Memory.Bytes}, {"groupBytes", s.Memory.Group}, {"from", s.Memory.From}}},
		{"ready", s.Ready.OK()},
		{"reason", s.Ready.withoutRepetition().Reason},
		{"source", s.Source.once()},
		{"events", s.statusEvents()},
		{"clients", s.statusClients()},
		{"replay", s.statusReplay()},
		{"mapping", s.statusMapping()},
		{"send", s.statusSend()},
		{"admin", object{{"tokensRefused", s.AdminTokensRefused}}},
	}
	if s.Cluster != nil {
		body = append(body, member{"cluster", s.Cluster.status(s.API.Restored, s.API.Anew)})
	}
	if s.Realtime != nil {
		body = append(body, member{"realtime", s.statusRealtime()})
	}
	if s.REST != nil {
		body = append(body, member{"rest", s.statusREST()})
	}
	if s.Ledger != nil {
		body = append(body, member{"ledger", s.statusLedger()})
	}
	if s.Gateway != nil {
		body = append(body, member{"gateway", s.Gateway.Status}, member{"gatewayProxied", s.statusProxied()}, member{"gatewayRefused", above0(s.Gateway.Refused)})
	}
	if s.Spool != nil {
		body = append(body, member{"spool", s.statusSpool()})
	}
	if s.OTel != nil {
		body = append(body, member{"otel", s.statusOTel()})
	}
	if len(s.Warnings) > 0 {
		body = append(body, member{"warnings", s.Warnings})
	}
	return body
}

// statusProxied is who is connected to ChatEngine through the bridge. A client that
// polls is connected without a request between two of them, and has two at times.
func (s *Snapshot) statusProxied() object {
	return object{{"websocket", s.Gateway.Websockets}, {"pollingRequests", s.Gateway.Requests}}
}

// statusLedger is the file that keeps what was published of each row.
func (s *Snapshot) statusLedger() object {
	l, written := s.Ledger, any(nil)
	if !l.Written.IsZero() {
		written = l.Written.UTC()
	}
	return object{
		{"file", l.Path},
		{"rows", l.Rows},
		{"bytes", l.Bytes},
		{"pendingRows", l.Pending},
		{"leftOutRows", l.LeftOut},
		{"written", written},
		{"error", unlessEmpty(l.Error)},
	}
}

// statusEvents is what was published, and how late.
func (s *Snapshot) statusEvents() object {
	position, lastGap, mean := "", any(nil), 0.0
	if head := s.Hub.Replay.Head; !head.IsZero() {
		position = head.String()
	}
	if g := s.Pipeline.LastGap; g != nil {
		since := any(nil)
		if !g.Since.IsZero() {
			since = g.Since.UTC()
		}
		lastGap = object{{"reason", g.Reason}, {"since", since}, {"until", g.Until.UTC()}}
	}
	delay := s.Pipeline.Delay
	if delay.Count > 0 {
		mean = delay.Sum.Seconds() / float64(delay.Count)
	}
	return object{
		{"message", s.Hub.Published[contract.Message]},
		{"conversation", s.Hub.Published[contract.Conversation]},
		{"messageStatus", s.Hub.Published[contract.MessageStatus]},
		{"typing", s.Hub.Published[contract.Typing]},
		{"position", unlessEmpty(position)}, // of the newest event
		{"delay", object{{"count", delay.Count}, {"sumSeconds", delay.Sum.Seconds()}, {"meanSeconds", mean}}},
		{"gaps", s.Pipeline.Gaps},
		{"lastGap", lastGap},
		{"readBack", s.statusRepair()},
	}
}

// statusRepair is what was read back after losses, nil where nothing ever is.
func (s *Snapshot) statusRepair() any {
	if s.Repair == nil {
		return nil
	}
	return object{
		{"healed", s.Repair.Healed},
		{"remaining", s.Repair.Remaining},
		{"rows", s.Repair.Rows},
		{"reading", s.Repair.Reading},
		{"remembered", s.Repair.Remembered},
		{"error", unlessEmpty(s.Repair.LastError)},
	}
}

// statusClients is who is connected, and why others are not.
func (s *Snapshot) statusClients() object {
	return object{
		{"connected", s.Connected()},
		{"websocket", s.Sockets.WebSocket},
		{"polling", s.Sockets.Polling},
		{"catchingUp", s.Hub.Catching},
		{"queuedBytes", s.Sockets.QueuedBytes},
		{"sessionBytes", s.Hub.SessionBytes},
		{"limitsReached", s.Hub.Limited()},
		{"closed", reasons(s.Sockets.Closes)},
		{"refused", s.refusals()},
		{"tokensRefused", above0(s.API.TokensRefused)},
		{"membersLeft", s.API.MembersLeft},
		{"membersLimited", s.Auth.Members.Limited},
		{"eventsRefused", s.API.EventsRefused},
	}
}

// refusals are the requests that the bridge's own server refused, by reason.
func (s *Snapshot) refusals() map[string]uint64 {
	named := reasons(s.Sockets.Refusals)
	if n := s.API.RequestsRefused; n > 0 {
		named[api.RequestRate] = n
	}
	return named
}

// above0 are the counts that are not zero.
func above0(counts map[string]uint64) map[string]uint64 {
	some := make(map[string]uint64)
	for name, n := range counts {
		if n > 0 {
			some[name] = n
		}
	}
	return some
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

// statusReplay is the state of the replay log.
func (s *Snapshot) statusReplay() object {
	catchUps, gaps := s.Hub.ByReason()
	r := s.Hub.Replay
	return object{
		{"events", r.Events},
		{"bytes", r.Bytes},
		{"workspaces", r.Workspaces},
		{"oldestAgeSeconds", r.Oldest.Seconds()},
		{"evictedEarly", r.EvictedEarly},
		{"evictedShare", r.EvictedShare},
		{"catchUps", catchUps},
		{"packets", s.Hub.CaughtUp},
		{"gaps", gaps},
		{"pauses", s.Hub.Pauses},
		{"pausedSeconds", s.Hub.Paused.Seconds()},
		{"far", s.statusFar()},
	}
}

// statusFar is the catching up from the tables; where there is none, why.
func (s *Snapshot) statusFar() any {
	if s.Far == nil && s.FarOff == "" {
		return nil
	}
	if s.Far == nil {
		return object{{"off", s.FarOff}}
	}
	return object{
		{"madeUp", s.Hub.FarHealed},
		{"failed", s.Hub.FarFailed},
		{"packets", s.Hub.FarPackets},
		{"readings", s.Far.Readings},
		{"failures", s.Far.Failures},
		{"refused", s.Far.Refused},
		{"truncated", s.Far.Truncated},
		{"rows", s.Far.Rows},
		{"lists", s.Far.Lists},
		{"waiting", s.Far.Waiting},
		{"waitedSeconds", s.Far.Waited.Seconds()},
		{"spentSeconds", s.Far.Spent.Seconds()},
		{"off", s.FarOff},
	}
}

// statusREST is what was answered of ChatEngine's REST interface.
func (s *Snapshot) statusREST() object {
	return object{
		{"requests", s.REST.Requests},
		{"rows", s.REST.Rows},
		{"underWay", s.REST.UnderWay},
		{"short", s.REST.Tables.Truncated},
		{"cut", s.REST.Cut},
		{"failures", s.REST.Tables.Failures},
		{"refused", s.REST.Tables.Refused},
		{"spentSeconds", s.REST.Tables.Spent.Seconds()},
	}
}

// statusSend is what became of the messages that clients sent.
func (s *Snapshot) statusSend() object {
	out := object{{"mode", s.SendMode}, {"results", s.Send.Results}}
	if !s.sends() {
		return out
	}
	return append(out,
		member{"ready", s.Send.Ready}, member{"reason", unlessEmpty(s.Send.Reason)},
		member{"inFlight", s.Send.InFlight}, member{"begun", s.Send.Begun}, member{"spentSeconds", s.Send.Spent.Seconds()},
		member{"reconciled", s.Send.Reconciled}, member{"unsettled", s.Send.Unsettled}, member{"reads", s.Send.Reads},
	)
}

// statusMapping is what rows made no event, and why.
func (s *Snapshot) statusMapping() object {
	m := &s.Pipeline.Mapping
	l := &m.Lookups
	seen := m.UnknownWordsSeen
	if seen == nil {
		seen = map[string][]string{}
	}
	return object{
		{"skipped", m.Skipped},
		{"unmappable", m.Unmappable},
		{"unknownWords", m.UnknownWords},
		{"unknownWordsSeen", seen},
		{"shortened", m.Shortened},
		{"leftOut", m.LeftOut},
		{"lookups", object{
			{"failing", l.Failing},
			{"asked", l.Batches},
			{"timeouts", l.Timeouts},
			{"errors", l.Errors},
			{"short", l.Short},
			{"owed", l.Owed},
			{"settled", l.Settled},
			{"abandoned", l.Abandoned},
		}},
	}
}

// statusRealtime tells by which way the changes come, and how late they can be
// where Realtime loses them.
func (s *Snapshot) statusRealtime() object {
	r := s.Realtime
	age := -1.0 // before the first change
	if !r.LastChange.IsZero() {
		age = s.Taken.Sub(r.LastChange).Seconds()
	}
	var channels []object
	for _, c := range r.Channels {
		channels = append(channels, object{
			{"table", c.Table},
			{"state", c.State},
			{"since", c.Since.UTC()},
			{"error", unlessEmpty(c.Error)},
			{"deaf", c.Deaf},
			{"streamed", c.Streamed},
			{"reconciled", c.Reconciled},
			{"unreadable", c.Unreadable},
		})
	}
	return object{
		{"streamed", r.Streamed},
		{"reconciled", r.Reconciled},
		{"gaps", r.Gaps},
		{"reconcileIntervalSeconds", r.Reconcile.Interval.Seconds()},
		{"reconcileError", unlessEmpty(r.Reconcile.Error)},
		{"clockAheadSeconds", r.Reconcile.ClockAhead.Seconds()},
		{"lastChangeAgeSeconds", age},
		{"channels", channels},
	}
}

// statusSpool is what is kept of the webhooks.
func (s *Snapshot) statusSpool() object {
	k := s.Spool
	return object{
		{"open", k.Open},
		{"error", unlessEmpty(k.Error)},
		{"waiting", k.Waiting},
		{"dead", k.Dead},
		{"bytes", k.Bytes},
		{"maxBytes", k.MaxBytes},
		{"oldestAgeSeconds", k.OldestAge.Seconds()},
		{"kept", k.Kept},
		{"replayed", k.Replayed},
		{"died", k.Died},
		{"dropped", k.Dropped},
		{"attempts", k.Attempts},
		{"failed", k.Failed},
		{"refused", above0(k.Refused)},
		{"setAside", k.SetAside},
	}
}

// statusOTel is whether the collector takes what it is sent.
func (s *Snapshot) statusOTel() object {
	of := func(x *telemetry.Exports) object {
		last := any(nil)
		if !x.Last.IsZero() {
			last = x.Last.UTC()
		}
		return object{{"sent", x.Sent}, {"failed", x.Failed}, {"last", last}, {"error", unlessEmpty(x.Error)}}
	}
	return object{
		{"endpoint", s.OTel.Endpoint},
		{"metrics", of(&s.OTel.Metrics)},
		{"traces", of(&s.OTel.Traces)},
		{"tracesDropped", s.OTel.Dropped},
	}
}
