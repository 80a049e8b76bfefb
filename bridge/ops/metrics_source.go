package ops

import "time"

func sourceMetrics() []family {
	return []family{
		gauges("source_state", "1 for the state that the source of changes is in, 0 for the others.", []string{"kind", "state"},
			func(s *Snapshot, e emit) {
				emitStates(e, s.Source.State, states(s.Source.Kind), s.Source.Kind)
			}),
		gauge("source_flowing", "1 while changes arrive as they are committed.",
			func(s *Snapshot) float64 { return truth(s.Source.Flowing) }),
		gauges("source_lag_bytes", "WAL that the database has written and the bridge has not handled; absent where it is not known.", nil,
			func(s *Snapshot, e emit) {
				if s.Source.LagBytes >= 0 {
					e(float64(s.Source.LagBytes))
				}
			}),
		gauges("source_lag_seconds", "How far the bridge is behind the database's commits; while the source is away, since when. Absent where it is not known.", nil,
			func(s *Snapshot, e emit) {
				if lag, known := s.sourceLag(); known {
					e(lag)
				}
			}),
		timestamp("source_last_transaction_timestamp_seconds", "Commit time of the newest transaction handled.",
			func(s *Snapshot) time.Time {
				if last := s.Source.LastTransaction; last != nil {
					return *last
				}
				return time.Time{}
			}),
		counter("source_gaps_total", "Stretches of changes that were lost and could not be read back in full. Clients need a reload to see what was in them.",
			func(s *Snapshot) uint64 { return s.Pipeline.Gaps }),
	}
}

// sourceLag is how far the bridge is behind, in seconds: while the source is
// away, for how long it has been.
func (s *Snapshot) sourceLag() (seconds float64, known bool) {
	h := &s.Source
	switch {
	case !h.Flowing:
		return s.Taken.Sub(h.FlowedUntil).Seconds(), !h.FlowedUntil.IsZero()
	case h.LagBytes < 0:
		return 0, false // Realtime does not tell
	}
	return h.Lag, true
}
