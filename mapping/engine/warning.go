package engine

import "chatbridge/mapping/internal/plan"

// Warning is something the operator should know. The Mapper gives each one
// once for a table and reason, with the first row's key as the example;
// Stats counts the rest.
type Warning struct {
	// Reason is a short stable word for metrics and logs, such as
	// missing_column, no_workspace, unknown_word.
	Reason string
	// Table is schema.name.
	Table string
	// Key is the row's primary key as far as known, for missing_column the
	// column; never other content.
	Key string
	// Detail is one sentence with the remedy.
	Detail string
}

// maxWarnings bounds what is remembered of warnings given.
const maxWarnings = 1000

// warn gives a warning unless one of that table, reason and subject was given.
func (m *Mapper) warn(w Warning, subject string) {
	if m.opts.Warn == nil || len(m.warned) >= maxWarnings {
		return
	}
	id := w.Table + "\x00" + w.Reason + "\x00" + subject
	if m.warned[id] {
		return
	}
	m.warned[id] = true
	m.opts.Warn(w)
}

// fail counts a row or event that cannot be made and warns of it.
func (m *Mapper) fail(reason int, t plan.TableID, key []byte, subject, detail string) {
	if m.trying {
		return
	}
	m.counters.failed[reason].Add(1)
	if m.opts.Warn == nil {
		return
	}
	table := &m.tables[t]
	m.warn(Warning{Reason: failNames[reason], Table: table.Schema + "." + table.Name, Key: string(key), Detail: detail}, subject)
}
