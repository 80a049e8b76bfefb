package bridge

import (
	"encoding/json"
	"net/http"
	"time"
)

// SourceHealth is how a source is doing, as far as the operator is concerned.
type SourceHealth struct {
	// Kind is postgres or realtime.
	Kind string `json:"kind"`
	// State is one word: stopped, connecting, streaming, standby, retrying,
	// blocked (something at the server must be changed first), failed.
	State string `json:"state"`
	// Since is when State began.
	Since time.Time `json:"since"`
	// Reason says why, and Remedy what to do about it; both empty while all
	// is well.
	Reason string `json:"reason,omitempty"`
	Remedy string `json:"remedy,omitempty"`
	// Flowing tells that changes arrive as they are committed.
	Flowing bool `json:"flowing"`
	// FlowedUntil is when they last did; zero if never.
	FlowedUntil time.Time `json:"-"`
	// LagBytes is how much WAL the server has written that has not been
	// handled; -1 where the source cannot tell.
	LagBytes int64 `json:"lagBytes"`
	// Lag is how late the transaction that is being handled arrived, in
	// seconds; 0 when nothing is outstanding.
	Lag float64 `json:"lagSeconds"`
	// ReplacedValues counts values with bytes that are no characters of the
	// database's encoding, in place of which U+FFFD was sent.
	ReplacedValues uint64 `json:"replacedValues,omitempty"`
	// LastTransaction is the commit time of the last transaction handled.
	LastTransaction *time.Time `json:"lastTransaction,omitempty"`
}

// stateStandby is the State in which another bridge has the slot.
const stateStandby = "standby"

// readiness is the body of /readyz.
type readiness struct {
	Status string        `json:"status"`
	Reason string        `json:"reason"`
	Source *SourceHealth `json:"source,omitempty"`
}

// judge tells whether clients are well served here: while changes flow, and
// for a grace period after they ceased to, in which most disturbances end.
func judge(h SourceHealth, grace time.Duration, now time.Time) (readiness, bool) {
	switch {
	case h.Flowing:
		return readiness{"ok", "events flow", &h}, true
	case h.State == stateStandby:
		return readiness{"standby", "another bridge follows the database; this one takes over when it ends", &h}, false
	case h.FlowedUntil.IsZero():
		return readiness{"unavailable", orElse(h.Reason, "not connected to the source yet"), &h}, false
	}
	if away := now.Sub(h.FlowedUntil); away < grace {
		return readiness{"degraded", "the source is away for " + away.Round(time.Second).String() + ": " + h.Reason, &h}, true
	}
	return readiness{"unavailable", "no events since " + h.FlowedUntil.UTC().Format(time.RFC3339) + ": " + h.Reason, &h}, false
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func (d *Daemon) serveHealthz(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, readiness{Status: "ok", Reason: "the process serves"})
}

func (d *Daemon) serveReadyz(w http.ResponseWriter, _ *http.Request) {
	if d.ending.Load() {
		writeJSON(w, http.StatusServiceUnavailable, readiness{Status: "stopping", Reason: "the process is shutting down"})
		return
	}
	body, ok := judge(d.source.Health(), d.cfg.Health.Grace, time.Now())
	code := http.StatusOK
	if !ok {
		code = http.StatusServiceUnavailable
	}
	writeJSON(w, code, body)
}

func writeJSON(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	_ = enc.Encode(body)
}
