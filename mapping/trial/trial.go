package trial

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"chatbridge/internal/jsonscan"
	"chatbridge/mapping"
	"chatbridge/mapping/contract"
	"chatbridge/mapping/engine"
	"chatbridge/source"
)

// Options says how rows are tried.
type Options struct {
	// Spec is the mapping.
	Spec *mapping.Spec
	// Table is the table of rows that do not say theirs: its name, with or
	// without the schema, or its role (message).
	Table string
	// Time is the commit time of every transaction; zero for none.
	Time time.Time
	// Warn takes the mapping's warnings; nil drops them.
	Warn func(engine.Warning)
}

// change is the long form of a row.
type change struct {
	Table string          `json:"table"`
	Op    string          `json:"op"`
	New   json.RawMessage `json:"new"`
	Old   json.RawMessage `json:"old"`
}

// Run reads rows from in, one after the other or in lists, and writes the
// events that they make to out, one JSON object a line. Each row is a
// transaction of its own; the rows of a list are one together.
//
// A row is an object of columns and values, which counts as inserted, or
// {"table": …, "op": "insert" | "update" | "delete", "new": {…}, "old": {…}}.
// Rows before one take the place of lookups: give contacts and conversations
// first.
func Run(in io.Reader, out io.Writer, o Options) error {
	t := &trial{Options: o, out: bufio.NewWriter(out), relations: map[string]*source.Relation{}}
	if o.Table != "" {
		if _, err := t.table(o.Table); err != nil {
			return err
		}
	}
	t.mapper = engine.New(o.Spec, engine.Options{Warn: o.Warn})
	d := json.NewDecoder(in)
	for n := 1; ; n++ {
		var raw json.RawMessage
		if err := d.Decode(&raw); errors.Is(err, io.EOF) {
			return t.out.Flush()
		} else if err != nil {
			return fmt.Errorf("read row %d: %w", n, err)
		}
		if err := t.transaction(raw); err != nil {
			return errors.Join(fmt.Errorf("row %d: %w", n, err), t.out.Flush())
		}
	}
}

type trial struct {
	Options
	mapper    *engine.Mapper
	out       *bufio.Writer
	relations map[string]*source.Relation
	commits   uint64
}

func (t *trial) transaction(raw json.RawMessage) error {
	rows := []json.RawMessage{raw}
	if raw[0] == '[' {
		if err := json.Unmarshal(raw, &rows); err != nil {
			return err
		}
	}
	t.commits++
	t.mapper.Begin(source.Tx{Commit: t.commits, Time: t.Time})
	for _, row := range rows {
		c, err := t.change(row)
		if err != nil {
			return err
		}
		if err := t.mapper.Change(c, t.write); err != nil {
			return err
		}
	}
	return t.mapper.Commit(t.write)
}

// line is one event as it is written.
type line struct {
	Event        string          `json:"event"`
	Workspace    string          `json:"workspace"`
	Conversation string          `json:"conversation"`
	Data         json.RawMessage `json:"data"`
}

func (t *trial) write(e *contract.Event) error {
	b, err := jsonscan.Marshal(line{e.Kind.String(), string(e.Workspace), string(e.Conversation), e.Payload})
	if err != nil {
		return err
	}
	_, err = t.out.Write(append(b, '\n'))
	return err
}

func (t *trial) table(name string) (mapping.Table, error) {
	var known []string
	for _, table := range t.Spec.Tables() {
		if name == table.Role || name == table.Name || name == table.Schema+"."+table.Name {
			return table, nil
		}
		known = append(known, table.Name)
	}
	return mapping.Table{}, fmt.Errorf("the mapping has no table %q: it has %s", name, strings.Join(known, ", "))
}

func (t *trial) change(raw json.RawMessage) (*source.Change, error) {
	var c change
	if err := json.Unmarshal(raw, &c); err != nil {
		return nil, errors.New("a row is a JSON object")
	}
	if c.New == nil && c.Old == nil {
		c = change{Op: "insert", New: raw}
	}
	if c.Table == "" {
		c.Table = t.Table
	}
	if c.Table == "" {
		return nil, errors.New("of which table is the row? give --table, or write {\"table\": …, \"new\": {…}}")
	}
	table, err := t.table(c.Table)
	if err != nil {
		return nil, err
	}
	op, ok := map[string]source.Op{"": source.Insert, "insert": source.Insert, "update": source.Update, "delete": source.Delete}[strings.ToLower(c.Op)]
	if !ok {
		return nil, fmt.Errorf("op is insert, update or delete, not %q", c.Op)
	}
	return t.build(table, op, c)
}

func (t *trial) build(table mapping.Table, op source.Op, c change) (*source.Change, error) {
	fresh, err := values(c.New)
	if err != nil {
		return nil, err
	}
	old, err := values(c.Old)
	if err != nil {
		return nil, err
	}
	rel := t.relation(table, fresh, old)
	out := &source.Change{Op: op, Relation: rel}
	if op != source.Delete {
		if len(fresh) == 0 {
			return nil, errors.New("new has no columns")
		}
		missing := source.Null
		if op == source.Update { // what is not said did not change
			missing = source.Absent
		}
		out.New = row(rel, fresh, missing)
	}
	if len(old) > 0 {
		out.Old = row(rel, old, source.Absent)
	}
	return out, nil
}

// relation has the Spec's columns and whatever else the rows have. It is the
// same for the same columns.
func (t *trial) relation(table mapping.Table, rows ...map[string]source.Value) *source.Relation {
	var names []string
	for _, c := range table.Columns {
		if !c.Derived() {
			names = append(names, c.Name)
		}
	}
	for _, r := range rows {
		for name := range r {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	id := table.Role + "\x00" + strings.Join(names, "\x00")
	rel := t.relations[id]
	if rel == nil {
		rel = &source.Relation{Schema: table.Schema, Name: table.Name, Identity: source.IdentityDefault}
		for _, name := range names {
			rel.Columns = append(rel.Columns, source.Column{Name: name})
		}
		t.relations[id] = rel
	}
	return rel
}

func row(rel *source.Relation, values map[string]source.Value, absent source.Kind) source.Row {
	out := make(source.Row, len(rel.Columns))
	for i, c := range rel.Columns {
		v, ok := values[c.Name]
		if !ok {
			v.Kind = absent
		}
		out[i] = v
	}
	return out
}

// values turns an object into values in Postgres's text form: strings as they
// are, everything else as JSON writes it.
func values(raw json.RawMessage) (map[string]source.Value, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, errors.New("a row is a JSON object of columns and values")
	}
	out := make(map[string]source.Value, len(fields))
	for name, v := range fields {
		v = bytes.TrimSpace(v)
		switch {
		case string(v) == "null":
			out[name] = source.Value{Kind: source.Null}
		case v[0] == '"':
			var s string
			if err := json.Unmarshal(v, &s); err != nil {
				return nil, fmt.Errorf("column %s: %w", name, err)
			}
			out[name] = source.Value{Kind: source.Text, Data: []byte(s)}
		default:
			out[name] = source.Value{Kind: source.Text, Data: v}
		}
	}
	return out, nil
}
