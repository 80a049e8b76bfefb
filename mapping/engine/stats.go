package engine

import (
	"chatbridge/mapping/contract"
	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

// Stats is a snapshot of a Mapper's counters since it was made.
type Stats struct {
	// Events counts by event name.
	Events map[string]uint64
	// Rows counts the changes seen.
	Rows []RowCount
	// Skipped counts changes that made no event, by reason: unchanged, delete,
	// truncate, other_table, reference, no_status: a status that means none to
	// clients; where: the mapping's condition.
	Skipped map[string]uint64
	// Unmappable counts rows or events that could not be made, by reason:
	// missing_column, no_key, no_workspace, no_conversation, no_member,
	// value_not_sent. no_unit counts events whose time is a number of an unknown
	// unit, and was taken from elsewhere.
	Unmappable map[string]uint64
	// Shortened and LeftOut count events, by name, that were larger than
	// Options.EventBytes: sent without their large values, or not at all.
	Shortened, LeftOut map[string]uint64
	// UnknownWords counts values that a translation had no word for, by member.
	UnknownWords map[string]uint64
	// UnknownWordsSeen are the words themselves: the first 10 different ones of each
	// member, of each the first 40 bytes, with Go's escapes for what is not printable.
	// Members without any are left out.
	UnknownWordsSeen map[string][]string
	Lookups          LookupStats
	// RememberedRows, RememberedBytes and RememberedMessages are the present
	// size of the memory; Evicted counts what its bounds pushed out.
	RememberedRows, RememberedBytes, RememberedMessages int64
	Evicted                                             uint64
}

// RowCount counts the changes of one table by operation.
type RowCount struct {
	// Table is the table's role in the Spec, such as message, or other.
	Table string
	// Op is insert, update, delete or truncate.
	Op string
	N  uint64
}

// LookupStats counts how what a row lacks was found.
type LookupStats struct {
	// Hits were answered from memory, Misses were not.
	Hits, Misses uint64
	// Batches are calls of Lookup.Fetch; Timeouts and Errors are those of them
	// that failed; Unanswered are misses that stayed without an answer.
	Batches, Timeouts, Errors, Unanswered uint64
	// Failing tells that the latest one failed.
	Failing bool
	// Short counts rows whose event went out without what a failed lookup would
	// have found, or not at all. Owed of them are still to be corrected, Settled
	// were; Abandoned were given up, because too much was owed or what the rows
	// are by now is not known.
	Short, Settled, Abandoned uint64
	Owed                      int64
}

// Stats returns a snapshot of the counters. Any goroutine may call it at any
// time.
func (m *Mapper) Stats() Stats {
	c := &m.report.counters
	s := Stats{
		Events: map[string]uint64{}, Shortened: map[string]uint64{}, LeftOut: map[string]uint64{}, Skipped: map[string]uint64{}, Unmappable: map[string]uint64{}, UnknownWords: map[string]uint64{}, UnknownWordsSeen: map[string][]string{},
		Lookups: LookupStats{
			Hits: c.hits.Load(), Misses: c.misses.Load(), Batches: c.batches.Load(),
			Timeouts: c.timeouts.Load(), Errors: c.errors.Load(), Unanswered: c.unanswered.Load(),
			Failing: c.failing.Load(), Short: c.short.Load(), Owed: c.owed.Load(), Settled: c.settled.Load(), Abandoned: c.abandoned.Load(),
		},
		RememberedRows: c.rememberedRows.Load(), RememberedBytes: c.rememberedBytes.Load(),
		RememberedMessages: c.rememberedMessages.Load(), Evicted: uint64(c.evicted.Load()),
	}
	for k := contract.Message; k <= contract.Typing; k++ {
		s.Events[k.String()] = c.events[k].Load()
		s.Shortened[k.String()], s.LeftOut[k.String()] = c.shortened[k].Load(), c.leftOut[k].Load()
	}
	for i := range c.skipped {
		s.Skipped[skipNames[i]] = c.skipped[i].Load()
	}
	for i := range c.failed {
		s.Unmappable[failNames[i]] = c.failed[i].Load()
	}
	for member, u := range m.report.unknownWords {
		s.UnknownWords[member] = u.n.Load()
		if words := u.words(); len(words) > 0 {
			s.UnknownWordsSeen[member] = words
		}
	}
	for t := range c.rows {
		name := "other"
		if t < len(m.tables) {
			name = m.tables[t].Role
		} else if t < plan.MaxTables {
			continue
		}
		for op := source.Insert; op <= source.Truncate; op++ {
			if n := c.rows[t][op].Load(); n > 0 {
				s.Rows = append(s.Rows, RowCount{Table: name, Op: op.String(), N: n})
			}
		}
	}
	return s
}
