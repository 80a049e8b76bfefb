package plan

import (
	"time"

	"chatbridge/source"
)

// Env is what expressions are evaluated against: one row of each table, found
// when first asked for. The zero Env renders without a limit and cannot find rows.
// One goroutine uses it at a time.
type Env struct {
	Find Finder
	// Tables is how many tables the Spec has.
	Tables int
	Rows   [MaxTables]source.Row
	// asked tells which of Rows have been asked for; a nil row that was asked for
	// does not exist or is not known.
	asked [MaxTables]bool
	time  time.Time
	// Conversation is the key of the conversation that the event belongs to, whose
	// row and newest message expressions mean; Workspace is the workspace of all
	// that the event shows. They are for Find.
	Workspace, Conversation []byte
	// Unsent has a bit for each table of which an expression read a value that the
	// source did not send (TOAST).
	Unsent uint32
	// Missed: an expression asked for a row that is not known and can be looked up.
	Missed bool
	// LookupFailed: a row is not known because its look-up failed.
	LookupFailed bool
	Limit
	// Quiet evaluates without counting unknown words and without asking for rows
	// that are not in memory.
	Quiet bool
	// Trusted tells which columns of which tables hold JSON by their type.
	Trusted *[MaxTables][]bool
	// Unknown collects the values that a translation had no word for. They are valid as
	// long as the rows are.
	Unknown []UnknownWord
	// Scratch is the buffer of values that exist in no row; Begin empties it.
	Scratch []byte
	// Unitless is a member whose time is a number of an unknown unit, "" for none.
	Unitless string
	// unitlessJSON tells that there is one in the JSON that was just edited.
	unitlessJSON bool
}

// Finder finds what the rows that an Env was started with lead to.
type Finder interface {
	// FindRow finds the row of a table, nil where there is none. It sets e.Missed
	// when the row has to be looked up first.
	FindRow(e *Env, t TableID) source.Row
	// FindRows finds the rows of a table that point to the message.
	FindRows(e *Env, t TableID) []source.Row
	// FindKept finds the value of Plan.Kept[n] that the message's row had before.
	FindKept(e *Env, n uint8) ([]byte, bool)
}

// Begin clears e for a new event, of a transaction that committed at t.
func (e *Env) Begin(t time.Time, workspace, conversation []byte) {
	clear(e.Rows[:e.Tables])
	clear(e.asked[:e.Tables])
	e.time, e.Workspace, e.Conversation = t, workspace, conversation
	e.Unsent, e.Missed, e.LookupFailed = 0, false, false
	e.Over, e.Cut, e.Unitless = false, false, ""
	e.Scratch = e.Scratch[:0]
	e.Unknown = e.Unknown[:0]
}

// Set gives the row of a table.
func (e *Env) Set(t TableID, row source.Row) {
	e.Rows[t], e.asked[t] = row, true
}

// Row returns the row of a table, found if it has to be.
func (e *Env) Row(t TableID) source.Row {
	if !e.asked[t] {
		e.asked[t] = true
		e.Rows[t] = e.Find.FindRow(e, t)
	}
	return e.Rows[t]
}

// text returns a column's text; false when it is null, its row does not exist,
// or the source did not send it.
func (e *Env) text(r Ref) ([]byte, bool) {
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
		e.Unsent |= 1 << r.Table
	}
	return nil, false
}
