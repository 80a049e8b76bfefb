package metrics

func replayFamilies() []family {
	return []family{
		gauge(
			"replay_events", "Events kept for clients that come back or over.",
			func(s *Snapshot) float64 { return float64(s.Replay.Events) },
		),
		gauge(
			"replay_bytes", "Size of the events kept for clients that come back or over.",
			func(s *Snapshot) float64 { return float64(s.Replay.Bytes) },
		),
		gauge(
			"replay_workspaces", "Workspaces with such events or with clients.",
			func(s *Snapshot) float64 { return float64(s.Replay.Workspaces) },
		),
		gauge(
			"replay_oldest_age_seconds", "Age of the oldest event kept: how far back a client can be caught up.",
			func(s *Snapshot) float64 { return s.Replay.Oldest.Seconds() },
		),
		counter(
			"replay_evicted_early_total", "Events that replay.max_events or replay.max_bytes pushed out within the window.",
			func(s *Snapshot) uint64 { return s.Replay.EvictedEarly },
		),
		countersBy(
			"catch_ups_total", "Readings of the replay log that clients began, by why.", "reason",
			func(s *Snapshot) map[string]uint64 { return s.Clients.CatchUps },
		),
		counter(
			"catch_up_packets_total", "Packets that clients got from the replay log.",
			func(s *Snapshot) uint64 { return s.Clients.CaughtUp },
		),
		counter(
			"fell_behind_total", "Clients closed because the replay log no longer held what they had yet to read.",
			func(s *Snapshot) uint64 { return s.Clients.FellBehind },
		),
	}
}
