package mapping

// Stats is a snapshot of a Mapper's counters since it was made.
type Stats struct {
	// Events counts by event name.
	Events map[string]uint64
	// Rows counts the changes seen.
	Rows []RowCount
	// Skipped counts changes that made no event, by reason: unchanged, delete,
	// truncate, other_table.
	Skipped map[string]uint64
	// Unmappable counts rows or events that could not be made, by reason.
	Unmappable map[string]uint64
	// UnknownWords counts values that a translation had no word for, by member.
	UnknownWords map[string]uint64
	Lookups      LookupStats
	// RememberedRows, RememberedBytes and RememberedMessages are the present
	// size of the memory; Evicted counts what its bounds pushed out.
	RememberedRows, RememberedBytes, RememberedMessages int64
	Evicted                                             uint64
}

// RowCount counts the changes of one table by operation.
type RowCount struct {
	// Table is the table's name in the Spec, such as message, or other.
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
}
