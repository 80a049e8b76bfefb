package ops

import (
	"strings"
	"time"
)

// State is what a source is doing.
type State string

// The states of a source. StateStopped and StateConnecting are of both kinds;
// the next five of Postgres, the others of Realtime.
const (
	StateStopped    State = "stopped"
	StateConnecting State = "connecting"
	// StateStreaming: changes arrive.
	StateStreaming State = "streaming"
	// StateStandby: another bridge has the slot.
	StateStandby State = "standby"
	// StateRetrying: the connection failed; the next attempt is soon.
	StateRetrying State = "retrying"
	// StateBlocked: something at the server must be changed first.
	StateBlocked State = "blocked"
	StateFailed  State = "failed"
	// StateJoining: connected, some channel not yet subscribed.
	StateJoining State = "joining"
	// StateLive: every channel is subscribed.
	StateLive State = "live"
	// StateDegraded: connected, but some channel does not deliver.
	StateDegraded State = "degraded"
)

// states are the states of a source of that kind.
func states(kind string) []State {
	if kind == "realtime" {
		return []State{StateStopped, StateConnecting, StateJoining, StateLive, StateDegraded}
	}
	return []State{StateStopped, StateConnecting, StateStreaming, StateStandby, StateRetrying, StateBlocked, StateFailed}
}

// Health is the state of the source, and what the operator should do about it.
type Health struct {
	// Kind is postgres or realtime.
	Kind  string `json:"kind"`
	State State  `json:"state"`
	// Since is when State began.
	Since time.Time `json:"since"`
	// Reason says why, and Remedy what to do about it; both empty while all
	// is well.
	Reason string `json:"reason,omitempty"`
	Remedy string `json:"remedy,omitempty"`
	// Flowing is true while changes arrive as they are committed.
	Flowing bool `json:"flowing"`
	// Losing says which changes may be missing or late although changes flow; empty
	// while none are.
	Losing string `json:"losing,omitempty"`
	// FlowedUntil is when they last did; zero if never.
	FlowedUntil time.Time `json:"-"`
	// NoGrace: the bridge is not ready from the moment on at which changes ceased, because
	// it cannot end by itself.
	NoGrace bool `json:"-"`
	// LagBytes is how much WAL the server has written that has not been
	// handled; -1 where the source cannot tell.
	LagBytes int64 `json:"lagBytes"`
	// Lag is how late the transaction that is being handled arrived, in
	// seconds; 0 when nothing is outstanding.
	Lag float64 `json:"lagSeconds"`
	// ReplacedValues counts values with bytes that are no characters of the
	// database's encoding, in place of which U+FFFD was sent.
	ReplacedValues uint64 `json:"replacedValues,omitempty"`
	// Rivals are other bridges, host/pid, that wait for the slot which this one reads, or
	// read it, by what looks like a mistake; nil for none.
	Rivals []string `json:"rivals,omitempty"`
	// LastTransaction is the commit time of the last transaction handled.
	LastTransaction *time.Time `json:"lastTransaction,omitempty"`
}

// ReadyStatus is the answer of /readyz in one word.
type ReadyStatus string

// The answers. The first two have status code 200, the others 503.
const (
	ReadyOK ReadyStatus = "ok"
	// ReadyDegraded: changes ceased to arrive less than the grace period ago, or some
	// of them may be missing.
	ReadyDegraded ReadyStatus = "degraded"
	// ReadyStandby: another bridge follows the database.
	ReadyStandby     ReadyStatus = "standby"
	ReadyUnavailable ReadyStatus = "unavailable"
	// ReadyStopping: the process is shutting down.
	ReadyStopping ReadyStatus = "stopping"
)

// Readiness is whether clients get their events here. It is the body of /healthz
// and /readyz, on the public listener as Public has it.
type Readiness struct {
	Status ReadyStatus `json:"status"`
	Reason string      `json:"reason"`
	Source *Health     `json:"source,omitempty"`
	// Leader is who leads the cluster, by host and process, also where that is this bridge;
	// empty where there is none.
	Leader string `json:"leader,omitempty"`
	// Cluster says why the bridges of a cluster are not one, nil while they are.
	Cluster *ClusterTrouble `json:"cluster,omitempty"`
	// public is Reason without what the source says.
	public string
}

// ClusterTrouble is what is wrong with Redis, or the way there, and what to do.
type ClusterTrouble struct {
	Reason string `json:"reason"`
	Remedy string `json:"remedy"`
}

// Public is what everybody may know: the state, without the source's words, which
// can name hosts, users and errors.
func (r Readiness) Public() Readiness {
	p := Readiness{Status: r.Status, Reason: r.public}
	if r.Source != nil {
		state := *r.Source
		state.Reason, state.Remedy, state.Losing = "", "", ""
		p.Source = &state
	}
	return p
}

// withoutRepetition is r as shown together with its Source, without repeating the Source's
// reason.
func (r Readiness) withoutRepetition() Readiness {
	if s := r.Source; s != nil && (s.Reason != "" || s.Losing != "") && r.public != "" {
		r.Reason = r.public
	}
	return r
}

// once returns h with the remedy out of the reason, where that ends in it.
func (h Health) once() Health {
	rest, ends := strings.CutSuffix(h.Reason, h.Remedy)
	if rest = strings.TrimRight(rest, ";:, "); ends && rest != "" {
		h.Reason = rest
	}
	return h
}

// readinessOf is a Readiness for a source, whose reason to be as it is follows that
// of the Readiness.
func readinessOf(status ReadyStatus, public string, h *Health) Readiness {
	r := Readiness{Status: status, Reason: public, Source: h, public: public}
	if h.Reason != "" && !h.Flowing && h.State != StateStandby {
		r.Reason += ": " + h.Reason
	}
	return r
}

// Stopping is the Readiness of a process that is shutting down.
func Stopping() Readiness {
	const reason = "the process is shutting down"
	return Readiness{Status: ReadyStopping, Reason: reason, public: reason}
}

// ReadinessOf returns the Readiness for the source's Health at now: clients get
// their events while changes flow, also where some of them may be missing: another
// bridge would be no better. For grace after they ceased to the bridge stays
// ready, because most disturbances end within it.
func ReadinessOf(h Health, grace time.Duration, now time.Time) Readiness {
	h = h.once()
	switch {
	case h.Flowing && h.Losing != "":
		r := readinessOf(ReadyDegraded, "events flow, and some may be missing or late", &h)
		r.Reason += ": " + h.Losing
		return r
	case h.Flowing:
		return readinessOf(ReadyOK, "events flow", &h)
	case h.State == StateStandby:
		return readinessOf(ReadyStandby, "another bridge follows the database; this one takes over when it ends", &h)
	case h.FlowedUntil.IsZero():
		return readinessOf(ReadyUnavailable, "not connected to the source yet", &h)
	}
	if away := now.Sub(h.FlowedUntil); away < grace && !h.NoGrace {
		return readinessOf(ReadyDegraded, "the source is away for "+away.Round(time.Second).String(), &h)
	}
	return readinessOf(ReadyUnavailable, "no events since "+h.FlowedUntil.UTC().Format(time.RFC3339), &h)
}

// CutOff is r of a bridge of a cluster to which Redis does not answer, since that long.
func (r Readiness) CutOff(since time.Time, why string) Readiness {
	r.Status = ReadyUnavailable
	r.public = "this bridge is cut off from the others of the cluster"
	r.Reason = "Redis does not answer since " + since.UTC().Format(time.RFC3339) + ", so this bridge is cut off from the others of the cluster"
	if why != "" {
		r.Reason += ": " + why
	}
	return r
}

// Unheard is r of a bridge that is cut off from the leader of its cluster: another one
// serves.
func (r Readiness) Unheard() Readiness {
	r.Status = ReadyUnavailable
	r.public = "the leader of the cluster is not heard"
	r.Reason = r.public
	if r.Source != nil && r.Source.Reason != "" {
		r.Reason += ": " + r.Source.Reason
	}
	return r
}

// OK reports whether load balancers should send clients here.
func (r Readiness) OK() bool { return r.Status == ReadyOK || r.Status == ReadyDegraded }
