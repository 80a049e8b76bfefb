package mapping

import (
	"time"

	"chatbridge/source"
)

// tableID numbers a Spec's tables: their place in Spec.Tables.
type tableID uint8

const (
	messageTable tableID = iota
	conversationTable
	firstReference
)

// maxReferences bounds the references of a Spec; a mapping with more is
// refused.
const maxReferences = 14

const maxTables = int(firstReference) + maxReferences

// ref is one column of one table of the Spec.
type ref struct {
	table tableID
	slot  int
}

// env is what an expression is evaluated against: one row of each table,
// found when first asked for.
type env struct {
	find finder
	// tables is how many tables the Spec has.
	tables int
	rows   [maxTables]source.Row
	// asked tells which of rows have been looked for; a nil row that was asked
	// for does not exist or is not known.
	asked [maxTables]bool
	time  time.Time
	// toast has a bit for each table of which an expression read a value that
	// the source did not
	// send; missed when it asked for a row that is not known.
	toast  uint32
	missed bool
	// short tells that a row is not known because its lookup failed.
	short bool
	bound
	// quiet evaluates without counting unknown words and without asking for
	// rows that are not in memory.
	quiet bool
	// trusted tells which columns of which tables hold JSON by their type.
	trusted *[maxTables][]bool
	// unknown collects the members whose value a translation had no word for.
	unknown []string
	scratch []byte
	// counted is a member whose time is a number of an unknown unit.
	counted string
	// countedJSON tells that there is one in the JSON that was just edited.
	countedJSON bool
}

// finder finds the rows that hang on those that an env was started with. It
// sets e.missed when it does not know.
type finder interface {
	findRow(e *env, t tableID) source.Row
	// findKept finds the value of Plan.kept[n] that the message's row had before.
	findKept(e *env, n uint8) ([]byte, bool)
}

// begin clears e for a new evaluation.
func (e *env) begin(t time.Time) {
	clear(e.rows[:e.tables])
	clear(e.asked[:e.tables])
	e.time, e.toast, e.missed, e.short = t, 0, false, false
	e.over, e.cut, e.counted = false, false, ""
	e.scratch = e.scratch[:0]
	e.unknown = e.unknown[:0]
}

// set gives the row of a table.
func (e *env) set(t tableID, row source.Row) {
	e.rows[t], e.asked[t] = row, true
}

func (e *env) row(t tableID) source.Row {
	if !e.asked[t] {
		e.asked[t] = true
		e.rows[t] = e.find.findRow(e, t)
	}
	return e.rows[t]
}

// text returns a column's text; false when it is null, its row does not exist,
// or the source did not send it.
func (e *env) text(r ref) ([]byte, bool) {
	row := e.rows[r.table]
	if row == nil {
		row = e.row(r.table)
	}
	if r.slot >= len(row) {
		return nil, false
	}
	switch v := &row[r.slot]; v.Kind {
	case source.Text:
		return v.Data, true
	case source.Unchanged:
		e.toast |= 1 << r.table
	}
	return nil, false
}
