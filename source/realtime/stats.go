package realtime

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// State is the state of the source.
type State string

// The states.
const (
	// StateConnecting: there is no connection; the reconciler alone delivers.
	StateConnecting State = "connecting"
	// StateJoining: connected, some channel not yet subscribed.
	StateJoining State = "joining"
	// StateLive: every channel is subscribed.
	StateLive State = "live"
	// StateDegraded: connected, but some channel was refused, closed or is
	// subscribed without delivering anything.
	StateDegraded State = "degraded"
	// StateStopped: Run has not been called or has returned.
	StateStopped State = "stopped"
)

// ChannelState is the state of one table's channel.
type ChannelState string

// The states of a channel.
const (
	ChannelDown ChannelState = "down"
	// ChannelJoining: phx_join was sent.
	ChannelJoining ChannelState = "joining"
	// ChannelJoined: the join was answered, which means nothing yet: changes
	// flow only once the server has said that the subscription is registered.
	ChannelJoined ChannelState = "joined"
	// ChannelLive: the subscription is registered.
	ChannelLive ChannelState = "live"
	// ChannelDegraded: the server failed to subscribe and says it tries again.
	ChannelDegraded ChannelState = "degraded"
	// ChannelRefused: the server refused for good; see Error for the remedy.
	ChannelRefused ChannelState = "refused"
	// ChannelWaiting: closed or failed, to be joined again soon.
	ChannelWaiting ChannelState = "waiting"
)

// ChannelStats is a snapshot of one table's channel.
type ChannelStats struct {
	Table string
	State ChannelState
	// Since is when it came into the state.
	Since time.Time
	// Subscribed is when the server last confirmed the subscription.
	Subscribed time.Time
	// LastChange is when the stream last delivered a change.
	LastChange time.Time
	// Error is the last refusal, with the remedy; empty while live.
	Error string
	// Joins counts the joins sent, Deaf how often the channel was subscribed and
	// did not deliver.
	Joins, Deaf uint64
	// Streamed and Reconciled count the changes published, by way.
	Streamed, Reconciled uint64
	// Unreadable counts the rows that differed and could not be read back, each
	// state of a row once. They were logged with their keys.
	Unreadable uint64
	// Rows is the number of rows remembered, Evicted how many had to be
	// forgotten before their time.
	Rows    int
	Evicted uint64
	// Reconcilable tells that the table has a column by which changes are
	// found; where it is false, what Realtime loses of it stays lost.
	Reconcilable bool
}

// Stats is a snapshot of a Source.
type Stats struct {
	State State
	// Since is when the source came into the state.
	Since time.Time
	// Error is the last failure to connect, with the remedy; empty while
	// connected.
	Error    string
	Channels []ChannelStats
	// Connects counts the connections that came about.
	Connects uint64
	// Disconnects, Gaps and Dropped count by reason: why connections ended;
	// why changes may have been lost by the stream (they are read back); which
	// streamed changes were not published.
	Disconnects, Gaps, Dropped map[string]uint64
	// Streamed and Reconciled count the changes published, by way.
	Streamed, Reconciled uint64
	// LastFrame is when the server last sent anything, LastChange when the
	// last change was published.
	LastFrame, LastChange time.Time
	// Queued is the number of changes that wait for the handler.
	Queued int
	// Reconcile is the reconciler's part.
	Reconcile ReconcileStats
}

// ReconcileStats is a snapshot of the reconciler.
type ReconcileStats struct {
	// Interval is how often it compares now, and with it the longest that a
	// recent change which the stream loses goes unpublished; WindowInterval is
	// the same for a watched column of a row older than the recent window.
	Interval, WindowInterval time.Duration
	// Passes and Failures count the comparisons.
	Passes, Failures uint64
	// Requests and RowsRead count what was read.
	Requests, RowsRead uint64
	// LastSuccess is when the last comparison was complete, LastDuration how
	// long it took.
	LastSuccess  time.Time
	LastDuration time.Duration
	// Error is the last failure with its remedy, empty after a success.
	Error string
	// FailingSince is when reading back first failed of the failures in a row, zero
	// after a success. LastMissed is when a row last had to be read back that a live
	// channel should have delivered.
	FailingSince, LastMissed time.Time
	// ClockAhead is by how much the clock of what answers for PostgREST is ahead of this
	// machine's, negative for behind, where that is more than a minute: until it is not,
	// rows are read back from the earlier on. 0 otherwise, and with SQL.
	ClockAhead time.Duration
	// GapOpen tells that a gap has not been read back yet.
	GapOpen bool
}

// Reasons that are counted. They are label values of metrics, so there are few
// and they do not change.
const (
	gapStart        = "start"
	gapDisconnect   = "disconnect"
	gapChannel      = "channel_lost"
	gapSubscribed   = "subscribed"
	gapResubscribed = "resubscribed"
	gapQueue        = "queue_full"
	gapBadPayload   = "bad_payload"
	gapRow          = "row_error"
	gapDeaf         = "deaf"
	gapMissed       = "missed"
	gapInsert       = "lost_insert"
	gapUpdate       = "lost_update"

	dropQueue   = "queue_full"
	dropStale   = "already_reconciled"
	dropTable   = "unknown_table"
	dropPayload = "bad_payload"
	dropRow     = "row_error"
	dropCut     = "cut"
	dropKey     = "no_key"
)

// counters is what Stats is made of.
type counters struct {
	connects, streamed, reconciled           atomic.Uint64
	passes, failures, requests, rowsRead     atomic.Uint64
	lastFrame, lastChange, lastPass, lastDur atomic.Int64
	failingSince, lastMissed, clockAhead     atomic.Int64

	mu                         sync.Mutex
	disconnects, gaps, dropped map[string]uint64
	err, readErr               string
	state                      State
	since                      time.Time
}

func newCounters() *counters {
	return &counters{
		disconnects: map[string]uint64{}, gaps: map[string]uint64{}, dropped: map[string]uint64{},
		state: StateStopped, since: time.Now(),
	}
}

func (c *counters) count(m map[string]uint64, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m[reason]++
}

func (c *counters) drop(reason string) { c.count(c.dropped, reason) }

func (c *counters) setState(s State) (was State, changed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	was = c.state
	if was != s {
		c.state, c.since = s, time.Now()
	}
	return was, was != s
}

func (c *counters) setError(s string) (changed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	changed = c.err != s
	c.err = s
	return changed
}

func (c *counters) setReadError(s string) (changed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	changed = c.readErr != s
	c.readErr = s
	return changed
}

// State returns the state. Safe for concurrent use.
func (s *Source) State() State {
	s.stats.mu.Lock()
	defer s.stats.mu.Unlock()
	return s.stats.state
}

// Stats returns a snapshot. Safe for concurrent use.
func (s *Source) Stats() Stats {
	c := s.stats
	out := Stats{
		Connects: c.connects.Load(), Streamed: c.streamed.Load(), Reconciled: c.reconciled.Load(),
		LastFrame: unixNano(c.lastFrame.Load()), LastChange: unixNano(c.lastChange.Load()),
		Queued: s.queue.len() + int(s.waiting.Load()),
		Reconcile: ReconcileStats{
			Interval: s.rec.interval(), WindowInterval: s.opts.WindowInterval,
			Passes: c.passes.Load(), Failures: c.failures.Load(),
			Requests: c.requests.Load(), RowsRead: c.rowsRead.Load(),
			LastSuccess: unixNano(c.lastPass.Load()), LastDuration: time.Duration(c.lastDur.Load()),
			FailingSince: unixNano(c.failingSince.Load()), LastMissed: unixNano(c.lastMissed.Load()),
			ClockAhead: time.Duration(c.clockAhead.Load()),
			GapOpen:    s.rec.requests.gapOpen(),
		},
	}
	for _, t := range s.tables.list {
		cs := t.stats()
		if n := t.lastEvent.Load(); n != 0 {
			cs.LastChange = s.clock.start.Add(time.Duration(n))
		}
		out.Channels = append(out.Channels, cs)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	out.State, out.Since, out.Error, out.Reconcile.Error = c.state, c.since, c.err, c.readErr
	out.Disconnects, out.Gaps, out.Dropped = maps.Clone(c.disconnects), maps.Clone(c.gaps), maps.Clone(c.dropped)
	return out
}

func unixNano(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n)
}
