package bridge

import "time"

// RealtimeStatus tells by which way the changes come, and how late they can be
// where Realtime loses them.
type RealtimeStatus struct {
	// Streamed and Reconciled count the changes published, by way.
	Streamed   uint64 `json:"streamed"`
	Reconciled uint64 `json:"reconciled"`
	// Gaps counts, by reason, when the stream may have lost changes; they are
	// read back.
	Gaps map[string]uint64 `json:"gaps"`
	// ReconcileInterval is the longest that a change which the stream loses
	// goes unpublished, in seconds.
	ReconcileInterval float64 `json:"reconcileIntervalSeconds"`
	ReconcileError    string  `json:"reconcileError,omitempty"`
	// LastChangeAge is how long ago the last change was published, in seconds;
	// below zero before the first.
	LastChangeAge float64         `json:"lastChangeAgeSeconds"`
	Channels      []ChannelStatus `json:"channels"`
}

// ChannelStatus is one table's channel.
type ChannelStatus struct {
	Table      string    `json:"table"`
	State      string    `json:"state"`
	Since      time.Time `json:"since"`
	Error      string    `json:"error,omitempty"`
	Deaf       uint64    `json:"deaf"`
	Streamed   uint64    `json:"streamed"`
	Reconciled uint64    `json:"reconciled"`
}

func (s *realtimeSource) status(now time.Time) *RealtimeStatus {
	stats := s.stream.Stats()
	r := &RealtimeStatus{
		Streamed: stats.Streamed, Reconciled: stats.Reconciled, Gaps: stats.Gaps,
		ReconcileInterval: stats.Reconcile.Interval.Seconds(), ReconcileError: stats.Reconcile.Error, LastChangeAge: -1,
	}
	if !stats.LastChange.IsZero() {
		r.LastChangeAge = now.Sub(stats.LastChange).Seconds()
	}
	for _, c := range stats.Channels {
		r.Channels = append(r.Channels, ChannelStatus{
			Table: c.Table, State: string(c.State), Since: c.Since.UTC(), Error: c.Error,
			Deaf: c.Deaf, Streamed: c.Streamed, Reconciled: c.Reconciled,
		})
	}
	return r
}
