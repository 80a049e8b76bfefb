package readback

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"chatbridge/source"
)

// Table names a table and the columns by which changes are found in it.
type Table struct {
	Schema, Name string
	// Key is the primary key's columns, in order. Describe finds them where
	// it is empty.
	Key []string
	// Created is the column with the time at which the row was inserted,
	// empty where there is none.
	Created string
	// Updated is the column that every update sets, empty where there is
	// none. A column that only some updates set belongs here too; name what
	// the others change in Watch.
	Updated string
	// Watch is the columns whose change matters and may leave Updated as it
	// was, such as a message's status.
	Watch []string
	// Workspace and Conversation are the columns that say whose the row is, empty
	// where there are none. What is read back is shared out between workspaces, and
	// a row that cannot be read is reported as theirs alone.
	Workspace, Conversation string
	// Only are the columns that are described and fetched, where the role may read
	// them; empty for all. Where is a condition of SQL on the rows. Both are for the
	// reader SQL.
	Only  []string
	Where string
}

// String returns schema.name.
func (t Table) String() string { return t.Schema + "." + t.Name }

// Columns returns the columns of a sketch: the key, the times, the watched
// ones, and those that say whose it is, each once.
func (t Table) Columns() []string {
	var out []string
	seen := map[string]bool{"": true}
	for _, group := range [][]string{t.Key, {t.Created, t.Updated}, t.Watch, {t.Workspace, t.Conversation}} {
		for _, c := range group {
			if !seen[c] {
				seen[c] = true
				out = append(out, c)
			}
		}
	}
	return out
}

// Shape is what the database says about a table.
type Shape struct {
	// Columns in table order, with Type as pg_type.typname has it. Key is set
	// on the primary key's columns.
	Columns []source.Column
	// Guessed tells that the reader could not learn the types and the caller
	// should trust any other source more.
	Guessed bool
	// Filtered tells that row level security applies to the role that reads: rows that
	// no policy shows it are missing without an error. Only SQL can tell.
	Filtered bool
	// Time is the server's clock when it answered, zero where it did not say.
	Time time.Time
}

// Key returns the names of the primary key's columns.
func (s Shape) Key() []string {
	var key []string
	for _, c := range s.Columns {
		if c.Key {
			key = append(key, c.Name)
		}
	}
	return key
}

// Has reports whether the table has the column.
func (s Shape) Has(column string) bool {
	for _, c := range s.Columns {
		if c.Name == column {
			return true
		}
	}
	return false
}

// Row is one row as JSON, each value as Postgres's to_json prints it with the
// time zone UTC.
type Row map[string]json.RawMessage

// ScanRequest asks for one page of the sketches of the rows whose column By is
// at or after Since, in the order of that column and the primary key: so each
// page is a range of an index on the column, where there is one.
type ScanRequest struct {
	Table Table
	// By is one of the table's columns of time.
	By    string
	Since time.Time
	// After is the Cursor of the last row of the page before, nil for the
	// first.
	After []string
	// Limit is the largest number of rows wanted. The server may have a lower
	// limit of its own, so that a short page need not be the last.
	Limit int
}

// Next makes q ask for what follows the row, the last of its page.
func (q *ScanRequest) Next(last Row) error {
	after, ok := q.Table.Cursor(q.By, last)
	if !ok || slices.Equal(after, q.After) {
		return &Error{Op: "scan " + q.Table.String(), Err: errors.New("a page does not end after the last page's end")}
	}
	q.After = after
	return nil
}

// Page is one page of a scan.
type Page struct {
	Rows []Row
	// Time is the server's clock when it answered, zero where it did not say.
	Time time.Time
}

// Cursor returns the place of a sketch in a scan by the column.
func (t Table) Cursor(by string, r Row) ([]string, bool) {
	return Table{Key: append([]string{by}, t.Key...)}.KeyOf(r)
}

// Times returns the columns of time that the table has.
func (t Table) Times() []string {
	var out []string
	for _, c := range []string{t.Created, t.Updated} {
		if c != "" {
			out = append(out, c)
		}
	}
	return out
}

// KeyOf returns the row's key as text, false where a key column is missing or
// null.
func (t Table) KeyOf(r Row) ([]string, bool) {
	key := make([]string, len(t.Key))
	for i, c := range t.Key {
		raw, ok := r[c]
		if !ok || len(raw) == 0 || string(raw) == "null" {
			return nil, false
		}
		if raw[0] != '"' {
			key[i] = string(raw)
			continue
		}
		if err := json.Unmarshal(raw, &key[i]); err != nil {
			return nil, false
		}
	}
	return key, len(key) > 0
}
