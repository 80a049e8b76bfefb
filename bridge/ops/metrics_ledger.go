package ops

import "time"

// ledgerMetrics are those of the file that keeps what was published of each row.
func ledgerMetrics() []family {
	return when(func(s *Snapshot) bool { return s.Ledger != nil },
		gauge("ledger_rows", "Rows in the ledger file.",
			func(s *Snapshot) float64 { return float64(s.Ledger.Rows) }),
		gauge("ledger_file_bytes", "Size of the ledger file.",
			func(s *Snapshot) float64 { return float64(s.Ledger.Bytes) }),
		gauge("ledger_pending_rows", "Rows that wait to be written to the ledger file.",
			func(s *Snapshot) float64 { return float64(s.Ledger.Pending) }),
		gauge("ledger_left_out_rows", "Rows that did not fit when the ledger file was last written as a whole: the oldest.",
			func(s *Snapshot) float64 { return float64(s.Ledger.LeftOut) }),
		gauge("ledger_failing", "1 while the ledger file cannot be written: what changes during a restart may not be told.",
			func(s *Snapshot) float64 { return truth(s.Ledger.Error != "") }),
		counters("ledger_writes_total", "Times that the ledger file was written, by result.", []string{"result"},
			func(s *Snapshot, e emit) {
				e(float64(s.Ledger.Writes), "ok")
				e(float64(s.Ledger.Failures), "failed")
			}),
		counter("ledger_rewrites_total", "Times that the ledger file was written as a whole, because it had grown to its bound or was not to be trusted.",
			func(s *Snapshot) uint64 { return s.Ledger.Rewrites }),
		timestamp("ledger_last_write_timestamp_seconds", "When the ledger file was last written.",
			func(s *Snapshot) time.Time { return s.Ledger.Written }),
	)
}
