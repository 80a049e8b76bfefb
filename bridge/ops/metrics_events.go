package ops

import (
	"chatbridge/internal/histogram"
	"chatbridge/mapping/contract"
)

func eventMetrics() []family {
	return []family{
		counters("events_total", "Events published, by name.", []string{"event"},
			func(s *Snapshot, e emit) {
				for kind := contract.Message; kind <= contract.Typing; kind++ {
					e(float64(s.Hub.Published[kind]), kind.String())
				}
			}),
		histogramOf("commit_to_publish_seconds", "Time from a transaction's commit, by the database's clock, to the publication of its events; without those that are read again after a restart to fill the log.",
			func(s *Snapshot) histogram.Snapshot { return s.Pipeline.Delay }),
	}
}
