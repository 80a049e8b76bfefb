package ops

// farMetrics are those of catching up from the tables.
func farMetrics() []family {
	return when(func(s *Snapshot) bool { return s.Far != nil }, there(
		"where clients are caught up from the tables (`replay.far`)",
		counters("far_catch_ups_total", "Times that what a client missed was read from the tables, by result: ok, or failed: then it was told of a gap.", []string{"result"},
			func(s *Snapshot, e emit) {
				e(float64(s.Hub.FarHealed), "ok")
				e(float64(s.Hub.FarFailed), "failed")
			}),
		counter("far_packets_total", "Packets that clients were sent of the tables.",
			func(s *Snapshot) uint64 { return s.Hub.FarPackets }),
		counter("far_readings_total", "Readings of the tables that were begun.",
			func(s *Snapshot) uint64 { return s.Far.Readings }),
		counter("far_rows_total", "Rows of the tables that were read for clients.",
			func(s *Snapshot) uint64 { return s.Far.Rows }),
		counter("far_lists_total", "Lists of what clients missed that were read of the tables, each for all that waited for it.",
			func(s *Snapshot) uint64 { return s.Far.Lists }),
		counter("far_failures_total", "Questions for rows of the tables that the database did not answer.",
			func(s *Snapshot) uint64 { return s.Far.Failures }),
		counter("far_refused_total", "Readings of the tables whose workspace had no turn for 30 s, or that came shortly after a failure.",
			func(s *Snapshot) uint64 { return s.Far.Refused }),
		counter("far_truncated_total", "Readings of the tables that replay.far_rows cut: the newest was sent.",
			func(s *Snapshot) uint64 { return s.Far.Truncated }),
		gauge("far_waiting", "Clients that wait for their turn to be caught up from the tables.",
			func(s *Snapshot) float64 { return float64(s.Far.Waiting) }),
		counters("far_waited_seconds_total", "Time for which clients waited for their turns.", nil,
			func(s *Snapshot, e emit) { e(s.Far.Waited.Seconds()) }),
		counters("far_spent_seconds_total", "Time that reading the tables took.", nil,
			func(s *Snapshot, e emit) { e(s.Far.Spent.Seconds()) }),
	)...)
}
