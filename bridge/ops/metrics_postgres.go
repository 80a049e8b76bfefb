package ops

import (
	"cmp"
	"maps"
	"slices"
)

func postgresMetrics() []family {
	return slices.Concat(when(func(s *Snapshot) bool { return s.Postgres != nil },
		counter("postgres_transactions_total", "Transactions handled.",
			func(s *Snapshot) uint64 { return s.Postgres.Transactions }),
		counters("postgres_changes_total", "Row changes read from the replication stream, by operation.", []string{"op"},
			func(s *Snapshot, e emit) {
				e(float64(s.Postgres.Inserts), "insert")
				e(float64(s.Postgres.Updates), "update")
				e(float64(s.Postgres.Deletes), "delete")
				e(float64(s.Postgres.Truncates), "truncate")
			}),
		counter("postgres_received_bytes_total", "Bytes of the replication stream.",
			func(s *Snapshot) uint64 { return s.Postgres.Bytes }),
		counter("postgres_reconnects_total", "Replication streams started after the first.",
			func(s *Snapshot) uint64 { return s.Postgres.Reconnects }),
		counter("postgres_unfilled_values_total", "Unchanged large values that the server did not send and nothing could fill.",
			func(s *Snapshot) uint64 { return s.Postgres.Unfilled }),
		counter("postgres_replaced_values_total", "Values in which bytes that are no characters of the database's encoding were replaced by U+FFFD.",
			func(s *Snapshot) uint64 { return s.Postgres.Replaced }),
		gauges("postgres_rivals", "Other bridges, by host, at the slot of this one that are not of its cluster, where either is of one or the slot has the default name: they wait for the slot, or read it while this one waits.", []string{"host"},
			func(s *Snapshot, e emit) {
				hosts := map[string]int{}
				for _, b := range s.Postgres.Rivals {
					hosts[cmp.Or(b.Host, "unknown")]++
				}
				for _, host := range slices.Sorted(maps.Keys(hosts)) {
					e(float64(hosts[host]), host)
				}
			}),
	), when(func(s *Snapshot) bool { return s.Postgres != nil && s.Postgres.Slot != nil },
		there("once the slot has been asked for", slotMetrics()...)...),
		when(func(s *Snapshot) bool { return s.Repair != nil }, repairMetrics()...))
}

// repairMetrics are those of reading back what the stream lost.
func repairMetrics() []family {
	return []family{
		counters("source_read_back_total", "Stretches of changes that the stream lost and that were read back from the tables, by whether in full: whole, or partly: then bridge_source_gaps_total counts too.", []string{"result"},
			func(s *Snapshot, e emit) {
				e(float64(s.Repair.Healed), "whole")
				e(float64(s.Repair.Remaining), "partly")
			}),
		counter("source_read_back_rows_total", "Rows that were read back and published.",
			func(s *Snapshot) uint64 { return s.Repair.Rows }),
		gauge("source_remembered_rows", "Rows of which it is remembered how they were published, to find what differs after a loss.",
			func(s *Snapshot) float64 { return float64(s.Repair.Remembered) }),
	}
}

func slotMetrics() []family {
	return []family{
		gauges("postgres_slot_wal_status", "1 for what the server says of the slot's WAL, 0 for the others.", []string{"status"},
			func(s *Snapshot, e emit) {
				emitStates(e, s.Postgres.Slot.WALStatus, []string{"reserved", "extended", "unreserved", "lost"})
			}),
		gauge("postgres_slot_unconfirmed_bytes", "WAL from the place that the slot has confirmed to the end.",
			func(s *Snapshot) float64 { return float64(s.Postgres.Slot.Unconfirmed) }),
		gauge("postgres_slot_held_back_bytes", "WAL that the database keeps because of the slot.",
			func(s *Snapshot) float64 { return float64(s.Postgres.Slot.HeldBack) }),
		gauges("postgres_slot_safe_bytes", "WAL that may still be written before the slot is lost; absent where max_slot_wal_keep_size sets no bound.", nil,
			func(s *Snapshot, e emit) {
				if s.Postgres.Slot.Safe >= 0 {
					e(float64(s.Postgres.Slot.Safe))
				}
			}),
	}
}
