package ops

func replayMetrics() []family {
	return []family{
		gauge("replay_events", "Events kept for clients that come back or over.",
			func(s *Snapshot) float64 { return float64(s.Hub.Replay.Events) }),
		gauge("replay_bytes", "Size of the events kept for clients that come back or over.",
			func(s *Snapshot) float64 { return float64(s.Hub.Replay.Bytes) }),
		gauge("replay_workspaces", "Workspaces with such events or with clients.",
			func(s *Snapshot) float64 { return float64(s.Hub.Replay.Workspaces) }),
		gauge("replay_oldest_age_seconds", "Age of the oldest event kept: how far back a client can be caught up.",
			func(s *Snapshot) float64 { return s.Hub.Replay.Oldest.Seconds() }),
		counter("replay_evicted_early_total", "Events that replay.max_events or replay.max_bytes pushed out within the window.",
			func(s *Snapshot) uint64 { return s.Hub.Replay.EvictedEarly }),
		counter("replay_evicted_share_total", "Events that limits.workspace.replay_events or replay_bytes pushed out.",
			func(s *Snapshot) uint64 { return s.Hub.Replay.EvictedShare }),
		countersBy("catch_ups_total", "Readings of the replay log that clients began, by why.", "reason",
			func(s *Snapshot) map[string]uint64 { catchUps, _ := s.Hub.ByReason(); return catchUps }),
		counter("catch_up_packets_total", "Packets that clients got from the replay log.",
			func(s *Snapshot) uint64 { return s.Hub.CaughtUp }),
		countersBy("client_gaps_total", "Times that a client could not be given something and was told so (event gap), by why: away (longer than the log reaches back, and the tables did not make up for it), window (a bound of the log had pushed part of the window out), evicted (pushed out before a slow client had read it), history (the database was restored), source (lost to everybody), left_out (an event too large to be sent).", "reason",
			func(s *Snapshot) map[string]uint64 { _, gaps := s.Hub.ByReason(); return gaps }),
		counter("pauses_total", "Times that reading from the database waited for clients that were about to fall out of the replay log.",
			func(s *Snapshot) uint64 { return s.Hub.Pauses }),
		counters("paused_seconds_total", "Time for which reading from the database waited for clients.", nil,
			func(s *Snapshot, e emit) { e(s.Hub.Paused.Seconds()) }),
		gauge("hub_lock_longest_seconds", "Longest time in the last one to two minutes for which publishing and the clients' catching up excluded each other.",
			func(s *Snapshot) float64 { return s.Hub.LockLongest.Seconds() }),
		counters("hub_lock_held_seconds_total", "Time for which the lock of the clients and the replay log was held: its rate is the share of time.", nil,
			func(s *Snapshot, e emit) { e(s.Hub.LockHeld.Seconds()) }),
	}
}
