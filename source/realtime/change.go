package realtime

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"chatbridge/source"
	"chatbridge/source/readback"
	"chatbridge/source/reconcile"
)

// payload is the payload of a postgres_changes frame. The ids are ignored: they
// are hashes of the binding, which can collide, so a change is routed by schema
// and table.
type payload struct {
	Data struct {
		Type      string          `json:"type"`
		Schema    string          `json:"schema"`
		Table     string          `json:"table"`
		Commit    *string         `json:"commit_timestamp"`
		Columns   []columnInfo    `json:"columns"`
		Record    readRow         `json:"record"`
		OldRecord readRow         `json:"old_record"`
		Errors    json.RawMessage `json:"errors"`
	} `json:"data"`
}

type columnInfo struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

type readRow = map[string]json.RawMessage

// change is one change of the stream, with memory of its own.
type change struct {
	table *table
	op    source.Op
	rel   *source.Relation
	row   source.Row // after, nil for a delete
	old   source.Row // before, as far as it was sent
	at    time.Time  // the transaction's commit_timestamp
	size  int        // of its frame, in bytes
	// truncated tells that the server left out values (error 413): only the key
	// can be relied on.
	truncated bool
}

// conversation is whose the row is, "" where that is not known.
func (c *change) conversation() string {
	name := c.table.Config().Conversation
	i := reconcile.ColumnIndex(c.rel, name)
	row := c.row
	if c.op == source.Delete {
		row = c.old
	}
	if name == "" || i < 0 || i >= len(row) || row[i].Kind != source.Text {
		return ""
	}
	return string(row[i].Data)
}

// tellsMore reports whether the old row tells of a change that the ledger does not know
// of: in a column that is not watched, as the key is not.
func (c *change) tellsMore() bool {
	conf := c.table.Config()
	for i := range c.old {
		was, name := &c.old[i], c.rel.Columns[i].Name
		same := was.Kind == c.row[i].Kind && bytes.Equal(was.Data, c.row[i].Data)
		if !same && was.Kind != source.Absent && name != conf.Updated && !slices.Contains(conf.Watch, name) {
			return true
		}
	}
	return false
}

// rowError is a change that the server delivered without its row.
type rowError struct {
	table, text string
}

func (e *rowError) Error() string { return "change of " + e.table + ": " + e.text }

var errUnknownTable = errors.New("change of a table that was not asked for")

// decodeChange reads the payload of a postgres_changes frame. It returns
// errUnknownTable, a *rowError where the server sent no row, or another error
// where the payload is not one. It never panics.
func decodeChange(data json.RawMessage, tables *tables) (*change, error) {
	var p payload
	if err := json.Unmarshal(data, &p); err != nil {
		return nil, fmt.Errorf("decode change: %w", err)
	}
	d := &p.Data
	t := tables.find(d.Schema, d.Table)
	if t == nil {
		return nil, errUnknownTable
	}
	c := &change{table: t, size: len(data)}
	switch strings.ToUpper(d.Type) {
	case "INSERT":
		c.op = source.Insert
	case "UPDATE":
		c.op = source.Update
	case "DELETE":
		c.op = source.Delete
	default:
		return nil, fmt.Errorf("decode change: type %.20q", d.Type)
	}
	if text := errorText(d.Errors); text != "" {
		if !strings.Contains(text, "413") || len(d.Columns) == 0 {
			return nil, &rowError{table: t.Name, text: text}
		}
		c.truncated = true
	}
	if d.Commit == nil {
		return nil, errors.New("decode change: no commit_timestamp")
	}
	at, err := time.Parse(time.RFC3339Nano, *d.Commit)
	if err != nil {
		return nil, fmt.Errorf("decode change: commit_timestamp %.40q", *d.Commit)
	}
	c.at = at.UTC()
	// Under replica identity default an update's old_record is its key.
	keyOnly := len(d.OldRecord) <= len(t.Config().Key)
	c.rel = t.relation(d.Columns)
	if c.op != source.Delete {
		c.row = buildRow(c.rel, d.Record, source.Unchanged)
	}
	if c.op != source.Insert {
		c.old = buildRow(c.rel, d.OldRecord, source.Absent)
	}
	if c.op == source.Update && keyOnly && t.sameKey(c.rel, c.old, c.row) {
		c.old = nil
	}
	return c, nil
}

// buildRow puts the record's values into the order of the columns. missing is
// the kind of a column that the record does not have: in a new row it is a
// value stored out of line that the change did not touch.
func buildRow(rel *source.Relation, record readRow, missing source.Kind) source.Row {
	row := make(source.Row, len(rel.Columns))
	for i := range rel.Columns {
		col := &rel.Columns[i]
		raw, ok := record[col.Name]
		if !ok {
			row[i].Kind = missing
			continue
		}
		row[i] = readback.Value(raw, col.Type, readback.StreamForm)
	}
	return row
}

// errorText joins the errors: an array of strings, though the documentation
// says a string, or null.
func errorText(raw json.RawMessage) string {
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	var list []string
	if json.Unmarshal(raw, &list) == nil {
		return strings.Join(list, "; ")
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return one
	}
	return string(raw)
}
