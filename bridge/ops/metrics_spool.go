package ops

import "chatbridge/bridge/gateway/spool"

// spoolMetrics are those of the webhooks that are kept.
func spoolMetrics() []family {
	total := func(name, help string, read func(*spool.Stats) uint64) family {
		return counter(name, help, func(s *Snapshot) uint64 { return read(s.Spool) })
	}
	return when(func(s *Snapshot) bool { return s.Spool != nil },
		gauge("spool_open", "1 while the spool's file can be read and written.",
			func(s *Snapshot) float64 { return truth(s.Spool.Open) }),
		gauges("spool_webhooks", "Webhooks kept, by state: waiting for ChatEngine, or dead: it refused them for good.", []string{"state"},
			func(s *Snapshot, e emit) {
				e(float64(s.Spool.Waiting), "waiting")
				e(float64(s.Spool.Dead), "dead")
			}),
		gauge("spool_bytes", "What the webhooks kept take of spool.max_bytes.",
			func(s *Snapshot) float64 { return float64(s.Spool.Bytes) }),
		gauge("spool_max_bytes", "spool.max_bytes.",
			func(s *Snapshot) float64 { return float64(s.Spool.MaxBytes) }),
		gauge("spool_oldest_age_seconds", "Age of the oldest webhook that waits; 0 where none does.",
			func(s *Snapshot) float64 { return s.Spool.OldestAge.Seconds() }),
		total("spool_kept_total", "Webhooks kept.", func(k *spool.Stats) uint64 { return k.Kept }),
		total("spool_attempts_total", "Attempts to send one that was kept.", func(k *spool.Stats) uint64 { return k.Attempts }),
		total("spool_failed_attempts_total", "Attempts that are made again.", func(k *spool.Stats) uint64 { return k.Failed }),
		total("spool_replayed_total", "Webhooks that were kept and that ChatEngine took.", func(k *spool.Stats) uint64 { return k.Replayed }),
		total("spool_dead_total", "Webhooks that became dead letters.", func(k *spool.Stats) uint64 { return k.Died }),
		total("spool_dropped_total", "Dead letters that were dropped: too old, or to make room.", func(k *spool.Stats) uint64 { return k.Dropped }),
		counters("spool_refused_total", "Webhooks that were neither passed on nor kept, by why.", []string{"reason"},
			func(s *Snapshot, e emit) {
				for _, reason := range spool.Reasons() {
					if _, counted := s.Spool.Refused[reason]; !counted {
						e(0, reason)
					}
				}
				e.byKey(s.Spool.Refused)
			}),
		total("spool_set_aside_total", "Damaged files of the spool that were set aside.", func(k *spool.Stats) uint64 { return k.SetAside }),
	)
}
