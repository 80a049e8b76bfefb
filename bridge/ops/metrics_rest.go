package ops

import (
	"maps"
	"slices"
)

// restMetrics are those of ChatEngine's REST interface.
func restMetrics() []family {
	return when(func(s *Snapshot) bool { return s.REST != nil },
		counters("rest_requests_total", "Requests of ChatEngine's REST interface that the bridge answered, by route (other has no answer but 503) and HTTP status.", []string{"route", "code"},
			func(s *Snapshot, e emit) {
				for _, route := range slices.Sorted(maps.Keys(s.REST.Requests)) {
					for _, code := range slices.Sorted(maps.Keys(s.REST.Requests[route])) {
						e(float64(s.REST.Requests[route][code]), route, code)
					}
				}
			}),
		counters("rest_request_seconds_total", "Time from such a request to the end of its answer, by route.", []string{"route"},
			func(s *Snapshot, e emit) {
				for _, route := range slices.Sorted(maps.Keys(s.REST.Spent)) {
					e(s.REST.Spent[route].Seconds(), route)
				}
			}),
		countersBy("rest_rows_total", "Rows in such answers, by route.", "route",
			func(s *Snapshot) map[string]uint64 { return s.REST.Rows }),
		counter("rest_short_total", "Such answers that lack what a bound left out, and the next one does not have: more than 1,000 conversations, or more than 1,000 messages of one millisecond.",
			func(s *Snapshot) uint64 { return s.REST.Tables.Truncated }),
		counter("rest_cut_total", "Answers of ChatEngine's REST interface that were not taken to the end, or in time.",
			func(s *Snapshot) uint64 { return s.REST.Cut }),
		counter("rest_failures_total", "Questions for such answers that the database did not answer.",
			func(s *Snapshot) uint64 { return s.REST.Tables.Failures }),
		counter("rest_refused_total", "Such answers that found no turn at the database in time, or came shortly after a failure.",
			func(s *Snapshot) uint64 { return s.REST.Tables.Refused }),
		gauge("rest_under_way", "Such requests that are being answered.",
			func(s *Snapshot) float64 { return float64(s.REST.UnderWay) }),
		counters("rest_waited_seconds_total", "Time for which such requests waited for their turns at the database.", nil,
			func(s *Snapshot, e emit) { e(s.REST.Tables.Waited.Seconds()) }),
		counters("rest_spent_seconds_total", "Time that reading the tables for them took.", nil,
			func(s *Snapshot, e emit) { e(s.REST.Tables.Spent.Seconds()) }),
	)
}
