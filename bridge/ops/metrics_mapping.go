package ops

func mappingMetrics() []family {
	return append([]family{
		counters("mapping_rows_total", "Row changes seen, by the mapping's table and operation.", []string{"table", "op"},
			func(s *Snapshot, e emit) {
				for _, r := range s.Pipeline.Mapping.Rows {
					e(float64(r.N), r.Table, r.Op)
				}
			}),
		countersBy("mapping_skipped_total", "Row changes that made no event by design, by reason.", "reason",
			func(s *Snapshot) map[string]uint64 { return s.Pipeline.Mapping.Skipped }),
		countersBy("mapping_unmappable_total", "Rows or events that should have been made and could not, by reason.", "reason",
			func(s *Snapshot) map[string]uint64 { return s.Pipeline.Mapping.Unmappable }),
		countersBy("mapping_unknown_words_total", "Values that the mapping has no word for, by the event's member.", "member",
			func(s *Snapshot) map[string]uint64 { return s.Pipeline.Mapping.UnknownWords }),
		countersBy("mapping_shortened_total", "Events that were larger than limits.event and went out shortened, by name.", "event",
			func(s *Snapshot) map[string]uint64 { return s.Pipeline.Mapping.Shortened }),
		countersBy("mapping_left_out_total", "Events that were larger than limits.event even when shortened, and were left out, by name.", "event",
			func(s *Snapshot) map[string]uint64 { return s.Pipeline.Mapping.LeftOut }),
		gauge("mapping_remembered_rows", "Rows that are remembered to answer lookups.",
			func(s *Snapshot) float64 { return float64(s.Pipeline.Mapping.RememberedRows) }),
		gauge("mapping_remembered_bytes", "Size of the rows that are remembered to answer lookups.",
			func(s *Snapshot) float64 { return float64(s.Pipeline.Mapping.RememberedBytes) }),
		gauge("mapping_remembered_messages", "Messages whose state is remembered to tell what changed.",
			func(s *Snapshot) float64 { return float64(s.Pipeline.Mapping.RememberedMessages) }),
		counter("mapping_evicted_total", "Remembered rows and messages pushed out by the bounds of the memory.",
			func(s *Snapshot) uint64 { return s.Pipeline.Mapping.Evicted }),
	}, lookupMetrics()...)
}

func lookupMetrics() []family {
	return []family{
		counters("lookups_total", "Questions about what a row lacks, by whether memory knew the answer.", []string{"result"},
			func(s *Snapshot, e emit) {
				e(float64(s.Pipeline.Mapping.Lookups.Hits), "hit")
				e(float64(s.Pipeline.Mapping.Lookups.Misses), "miss")
			}),
		counters("lookup_batches_total", "Questions to the database, by result.", []string{"result"},
			func(s *Snapshot, e emit) {
				l := s.Pipeline.Mapping.Lookups
				e(without(l.Batches, l.Timeouts+l.Errors), "ok")
				e(float64(l.Timeouts), "timeout")
				e(float64(l.Errors), "error")
			}),
		counter("lookups_unanswered_total", "Misses that stayed without an answer; the event went without it.",
			func(s *Snapshot) uint64 { return s.Pipeline.Mapping.Lookups.Unanswered }),
		counter("lookups_short_total", "Events that went out without what a lookup that failed would have told.",
			func(s *Snapshot) uint64 { return s.Pipeline.Mapping.Lookups.Short }),
		gauge("lookups_owed", "Rows whose events are to go out again, corrected, when lookups work.",
			func(s *Snapshot) float64 { return float64(s.Pipeline.Mapping.Lookups.Owed) }),
		counter("lookups_settled_total", "Rows whose events have gone out again, corrected.",
			func(s *Snapshot) uint64 { return s.Pipeline.Mapping.Lookups.Settled }),
		counter("lookups_abandoned_total", "Rows whose events stay as they went out: too many were owed, or their lookup fails for good.",
			func(s *Snapshot) uint64 { return s.Pipeline.Mapping.Lookups.Abandoned }),
	}
}
