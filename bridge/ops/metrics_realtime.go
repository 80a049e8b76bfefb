package ops

import (
	"time"

	"chatbridge/source/realtime"
)

// channelStates are the values of realtime.ChannelState.
var channelStates = []realtime.ChannelState{
	realtime.ChannelDown, realtime.ChannelJoining, realtime.ChannelJoined, realtime.ChannelLive,
	realtime.ChannelDegraded, realtime.ChannelRefused, realtime.ChannelWaiting,
}

func realtimeMetrics() []family {
	families := []family{
		gauges("realtime_channel_state", "1 for the state that a table's channel is in, 0 for the others.", []string{"table", "state"},
			func(s *Snapshot, e emit) {
				for _, c := range s.Realtime.Channels {
					emitStates(e, c.State, channelStates, c.Table)
				}
			}),
		counters("realtime_changes_total", "Changes published, by table and by way: by the stream, or because reading back found that the stream had lost them.", []string{"table", "way"},
			func(s *Snapshot, e emit) {
				for _, c := range s.Realtime.Channels {
					e(float64(c.Streamed), c.Table, "stream")
					e(float64(c.Reconciled), c.Table, "reconcile")
				}
			}),
		counters("realtime_channel_deaf_total", "Times that a table's channel was found to be subscribed and not to deliver.", []string{"table"},
			func(s *Snapshot, e emit) {
				for _, c := range s.Realtime.Channels {
					e(float64(c.Deaf), c.Table)
				}
			}),
		counters("realtime_unreadable_rows_total", "Rows that the stream lost and that could not be read back, each state of a row once. The log has their keys.", []string{"table"},
			func(s *Snapshot, e emit) {
				for _, c := range s.Realtime.Channels {
					e(float64(c.Unreadable), c.Table)
				}
			}),
		counter("realtime_connects_total", "Connections to Realtime that came about.",
			func(s *Snapshot) uint64 { return s.Realtime.Connects }),
		countersBy("realtime_disconnects_total", "Ended connections to Realtime, by reason.", "reason",
			func(s *Snapshot) map[string]uint64 { return s.Realtime.Disconnects }),
		countersBy("realtime_stream_gaps_total", "Times that the stream may have lost changes, which were then read back, by reason.", "reason",
			func(s *Snapshot) map[string]uint64 { return s.Realtime.Gaps }),
		countersBy("realtime_dropped_total", "Streamed changes that were not published, by reason.", "reason",
			func(s *Snapshot) map[string]uint64 { return s.Realtime.Dropped }),
		gauge("realtime_queued_changes", "Changes that wait to be handled.",
			func(s *Snapshot) float64 { return float64(s.Realtime.Queued) }),
		timestamp("realtime_last_change_timestamp_seconds", "When the last change was published.",
			func(s *Snapshot) time.Time { return s.Realtime.LastChange }),
	}
	return when(func(s *Snapshot) bool { return s.Realtime != nil }, append(families, reconcileMetrics()...)...)
}

func reconcileMetrics() []family {
	return []family{
		counters("realtime_reconciles_total", "Comparisons of what was published with what is in the database, by result.", []string{"result"},
			func(s *Snapshot, e emit) {
				r := &s.Realtime.Reconcile
				e(without(r.Passes, r.Failures), "ok")
				e(float64(r.Failures), "failed")
			}),
		timestamp("realtime_reconcile_last_success_timestamp_seconds", "When such a comparison was last complete.",
			func(s *Snapshot) time.Time { return s.Realtime.Reconcile.LastSuccess }),
		gauge("realtime_reconcile_interval_seconds", "The interval in use: the longest that a change which the stream loses goes unpublished.",
			func(s *Snapshot) float64 { return s.Realtime.Reconcile.Interval.Seconds() }),
		counter("realtime_reconcile_rows_total", "Rows read back.",
			func(s *Snapshot) uint64 { return s.Realtime.Reconcile.RowsRead }),
		gauge("realtime_gap_open", "1 while a gap has not been read back yet.",
			func(s *Snapshot) float64 { return truth(s.Realtime.Reconcile.GapOpen) }),
	}
}
