package plan

import (
	"time"

	"chatbridge/source"
)

// tableID numbers a Spec's tables: their place in Spec.Tables.
type TableID uint8

const (
	MessageTable TableID = iota
	ConversationTable
	FirstReference
)

// maxReferences bounds the references of a Spec; a mapping with more is
// refused.
const MaxReferences = 14

const MaxTables = int(FirstReference) + MaxReferences

// ref is one column of one table of the Spec.
type Ref struct {
	Table TableID
	Slot  int
}

// env is what an expression is evaluated against: one row of each table,
// found when first asked for.
type Env struct {
	Find Finder
	// tables is how many tables the Spec has.
	Tables int
	Rows   [MaxTables]source.Row
	// asked tells which of rows have been looked for; a nil row that was asked
	// for does not exist or is not known.
	asked [MaxTables]bool
	time  time.Time
	// toast has a bit for each table of which an expression read a value that
	// the source did not
	// send; missed when it asked for a row that is not known.
	Toast  uint32
	Missed bool
	// short tells that a row is not known because its lookup failed.
	Short bool
	Limit
	// quiet evaluates without counting unknown words and without asking for
	// rows that are not in memory.
	Quiet bool
	// trusted tells which columns of which tables hold JSON by their type.
	Trusted *[MaxTables][]bool
	// unknown collects the members whose value a translation had no word for.
	Unknown []string
	Scratch []byte
	// counted is a member whose time is a number of an unknown unit.
	Counted string
	// countedJSON tells that there is one in the JSON that was just edited.
	countedJSON bool
}

// finder finds the rows that hang on those that an env was started with. It
// sets e.missed when it does not know.
type Finder interface {
	FindRow(e *Env, t TableID) source.Row
	// findKept finds the value of Plan.kept[n] that the message's row had before.
	FindKept(e *Env, n uint8) ([]byte, bool)
}

// begin clears e for a new evaluation.
func (e *Env) Begin(t time.Time) {
	clear(e.Rows[:e.Tables])
	clear(e.asked[:e.Tables])
	e.time, e.Toast, e.Missed, e.Short = t, 0, false, false
	e.Over, e.Cut, e.Counted = false, false, ""
	e.Scratch = e.Scratch[:0]
	e.Unknown = e.Unknown[:0]
}

// set gives the row of a table.
func (e *Env) Set(t TableID, row source.Row) {
	e.Rows[t], e.asked[t] = row, true
}

func (e *Env) Row(t TableID) source.Row {
	if !e.asked[t] {
		e.asked[t] = true
		e.Rows[t] = e.Find.FindRow(e, t)
	}
	return e.Rows[t]
}

// text returns a column's text; false when it is null, its row does not exist,
// or the source did not send it.
func (e *Env) Text(r Ref) ([]byte, bool) {
	row := e.Rows[r.Table]
	if row == nil {
		row = e.Row(r.Table)
	}
	if r.Slot >= len(row) {
		return nil, false
	}
	switch v := &row[r.Slot]; v.Kind {
	case source.Text:
		return v.Data, true
	case source.Unchanged:
		e.Toast |= 1 << r.Table
	}
	return nil, false
}
