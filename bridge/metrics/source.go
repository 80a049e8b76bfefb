package metrics

import "time"

func sourceFamilies() []family {
	return []family{
		gauges(
			"source_state", "1 for the state that the source of changes is in, 0 for the others.",
			[]string{"kind", "state"},
			func(s *Snapshot, e emit) {
				emit(func(v float64, l ...string) { e(v, s.Source.Kind, l[0]) }).state(s.Source.State, SourceStates(s.Source.Kind))
			},
		),
		gauge(
			"source_flowing", "1 while changes arrive as they are committed.",
			func(s *Snapshot) float64 { return truth(s.Source.Flowing) },
		),
		gauges(
			"source_lag_bytes", "WAL that the database has written and the bridge has not handled; absent where it is not known.", nil,
			func(s *Snapshot, e emit) {
				if s.Source.LagBytes >= 0 {
					e(float64(s.Source.LagBytes))
				}
			},
		),
		gauges(
			"source_lag_seconds", "How far the bridge is behind the database's commits; while the source is away, since when. Absent where it is not known.", nil,
			func(s *Snapshot, e emit) {
				if s.Source.Lag >= 0 {
					e(s.Source.Lag.Seconds())
				}
			},
		),
		timestamp(
			"source_last_transaction_timestamp_seconds", "Commit time of the newest transaction handled.",
			func(s *Snapshot) time.Time { return s.Source.LastTransaction },
		),
		counter(
			"source_gaps_total", "Stretches of changes that the source declared lost. Clients need a reload to see what was in them.",
			func(s *Snapshot) uint64 { return s.Source.Gaps },
		),
	}
}
