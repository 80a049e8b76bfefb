package metrics

import (
	"time"

	"chatbridge/bridge/auth"
	"chatbridge/bridge/gateway"
	"chatbridge/bridge/replay"
	"chatbridge/mapping/engine"
	"chatbridge/socketio"
	"chatbridge/source/postgres"
	"chatbridge/source/realtime"
)

// Snapshot is all that is shown, as of one moment. The zero value of a
// pointer leaves its metrics out.
type Snapshot struct {
	Build Build
	// Started is when the daemon was made.
	Started time.Time
	// Ready is the answer of /readyz.
	Ready  bool
	Source Source
	// Postgres and Realtime: the one that runs.
	Postgres *postgres.Stats
	Realtime *realtime.Stats
	// Delay is the time from commit to publication.
	Delay Histogram
	// Events counts what was published by event name.
	Events  map[string]uint64
	Mapping engine.Stats
	Clients Clients
	Sockets socketio.Stats
	Replay  replay.Stats
	Auth    *auth.Stats
	Gateway *gateway.Stats
	Log     Log
	Reload  Reload
	// CertificateExpires is when the served TLS certificate does; zero
	// without TLS.
	CertificateExpires time.Time
}

// Build says which program runs.
type Build struct{ Version, Commit, Go string }

// Source is how the source does, whichever it is.
type Source struct {
	// Kind is postgres or realtime; State such as SourceStates.
	Kind, State string
	// Flowing tells that changes arrive as they are committed.
	Flowing bool
	// LagBytes is the WAL not yet handled, Lag its age; below zero where that
	// is not known.
	LagBytes int64
	Lag      time.Duration
	// LastTransaction is the commit time of the newest one handled; zero
	// before the first.
	LastTransaction time.Time
	// Gaps counts the losses that the source declared.
	Gaps uint64
}

// SourceStates are the values of Source.State that are always shown for a
// kind; another is shown while it is.
func SourceStates(kind string) []string {
	if kind == "realtime" {
		return []string{"stopped", "connecting", "joining", "live", "degraded"}
	}
	return []string{"stopped", "connecting", "streaming", "standby", "retrying", "blocked", "failed"}
}

// Clients is what the daemon knows of its clients beyond their transports.
type Clients struct {
	// CatchingUp are being fed from the replay log now.
	CatchingUp int
	// CatchUps counts readings of the log begun, by why; CaughtUp the packets
	// they gave; Gaps what clients could not be given, by why.
	CatchUps, Gaps map[string]uint64
	CaughtUp       uint64
	// Pauses counts the times that reading from the database waited for clients,
	// Paused is how long in all.
	Pauses uint64
	Paused time.Duration
	// LockLongest and LockHeld are of the Hub's lock, see hub.Stats.
	LockLongest, LockHeld time.Duration
	// TokensRefused counts CONNECTs and EventsRefused clients' events, by code.
	TokensRefused, EventsRefused map[string]uint64
	// DescriptorsRefused counts connections refused because too few file
	// descriptors were left.
	DescriptorsRefused uint64
	// Expired counts clients closed because their token had expired.
	Expired uint64
}

// Log counts log lines.
type Log struct {
	// Lines were written, by level; Suppressed were repetitions that a later
	// line counts.
	Lines      map[string]uint64
	Suppressed uint64
}

// Reload is how the last SIGHUP went.
type Reload struct {
	// Succeeded and Failed count them.
	Succeeded, Failed uint64
	// OK is false after one that failed; Last is when the configuration in
	// use was read.
	OK   bool
	Last time.Time
}

// Histogram counts durations by upper bound.
type Histogram struct {
	// Bounds are the upper bounds, ascending; Counts has one more element, for
	// what was above the last.
	Bounds []time.Duration
	Counts []uint64
	Count  uint64
	Sum    time.Duration
}
