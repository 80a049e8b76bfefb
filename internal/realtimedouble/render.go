package realtimedouble

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"chatbridge/source"
	"chatbridge/source/postgres/pgoutput"
)

// renderer prints changes as the real server does: the values are converted
// by Postgres itself, with to_jsonb.
type renderer struct {
	s      *Server
	meta   *pgx.Conn
	commit time.Time
	rels   map[uint32]*relation
	// pending is the changes of the transaction that is being read.
	pending []*rendered
}

// relation is a table as of the last Relation message.
type relation struct {
	oid          uint32
	schema, name string
	identity     byte
	columns      []column
	rls          bool
	// readable caches, per role, which columns it may select.
	readable map[string][]bool
}

type column struct {
	name, typname, format string
	pk                    bool
}

func (rel *relation) hasKey() bool {
	return slices.ContainsFunc(rel.columns, func(c column) bool { return c.pk })
}

func newRenderer(s *Server, meta *pgx.Conn) *renderer {
	return &renderer{s: s, meta: meta, rels: map[uint32]*relation{}}
}

// relation learns a table's columns.
func (r *renderer) relation(ctx context.Context, m *pgoutput.Relation) error {
	rel := &relation{oid: m.ID, schema: m.Schema, name: m.Name, identity: m.Identity, readable: map[string][]bool{}}
	rows, err := r.meta.Query(ctx, `select a.attname, t.typname, format_type(a.atttypid, a.atttypmod),
			coalesce(a.attnum = any(i.indkey), false), c.relrowsecurity
		from pg_attribute a join pg_type t on t.oid = a.atttypid join pg_class c on c.oid = a.attrelid
		left join pg_index i on i.indrelid = a.attrelid and i.indisprimary
		where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped order by a.attnum`, m.ID)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var c column
		if err := rows.Scan(&c.name, &c.typname, &c.format, &c.pk, &rel.rls); err != nil {
			return err
		}
		rel.columns = append(rel.columns, c)
	}
	r.rels[m.ID] = rel
	return rows.Err()
}

// rendered is one change, its values as JSON; nil for one that was not sent.
type rendered struct {
	op       string
	rel      *relation
	row, old []json.RawMessage
	text     source.Row // for filters
	commit   string
	size     int
}

// change converts a change's values.
func (r *renderer) change(ctx context.Context, op string, id uint32, row, old source.Row, kind pgoutput.Old) (*rendered, error) {
	rel := r.rels[id]
	if rel == nil {
		return nil, fmt.Errorf("change of unknown relation %d", id)
	}
	c := &rendered{op: op, rel: rel, commit: r.commit.Truncate(time.Millisecond).Format("2006-01-02T15:04:05.000Z")}
	full := kind == pgoutput.OldFull
	c.size = walSize(rel, row) + walSize(rel, old)
	if row != nil {
		row = slices.Clone(row)
		for i := range row {
			// Under identity full the old row has what the new one leaves out.
			if row[i].Kind == source.Unchanged && full {
				row[i] = old[i]
			}
		}
	}
	// Of an old row that is a key only the key is sent; without one the new
	// row's key stands for it.
	keyOnly := func(from source.Row) source.Row {
		out := make(source.Row, len(rel.columns))
		for i, col := range rel.columns {
			out[i].Kind = source.Absent
			if col.pk && i < len(from) {
				out[i] = from[i]
			}
		}
		return out
	}
	switch {
	case op == "INSERT" || full:
	case kind == pgoutput.OldNone:
		old = keyOnly(row)
	default:
		old = keyOnly(old)
	}
	c.text = row
	if op == "DELETE" {
		c.text = old
	}
	var err error
	if row != nil {
		if c.row, err = r.values(ctx, rel, row); err != nil {
			return nil, err
		}
	}
	if op != "INSERT" {
		if c.old, err = r.values(ctx, rel, old); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// walSize estimates the row's part of wal2json's text.
func walSize(rel *relation, row source.Row) int {
	n := 0
	for i, v := range row {
		if v.Kind == source.Text || v.Kind == source.Null {
			n += len(`{"name":"","type":"","value":""},`) + len(rel.columns[i].name) + len(rel.columns[i].format) + len(v.Data)
		}
	}
	return n
}

// values has Postgres print the values as JSON.
func (r *renderer) values(ctx context.Context, rel *relation, row source.Row) ([]json.RawMessage, error) {
	out := make([]json.RawMessage, len(row))
	var exprs []string
	var at []int
	for i, v := range row {
		switch v.Kind {
		case source.Null:
			out[i] = json.RawMessage("null")
		case source.Text:
			exprs = append(exprs, toJSONB(rel.columns[i], string(v.Data)))
			at = append(at, i)
		}
	}
	if len(exprs) == 0 {
		return out, nil
	}
	var texts []*string
	sql := "select array[(" + strings.Join(exprs, ")::text, (") + ")::text]"
	if err := r.meta.QueryRow(ctx, sql, pgx.QueryExecModeExec).Scan(&texts); err != nil {
		return nil, err
	}
	for j, i := range at {
		out[i] = json.RawMessage("null")
		if texts[j] != nil {
			out[i] = json.RawMessage(*texts[j])
		}
	}
	return out, nil
}

// toJSONB is the expression for one value, with wal2json's peculiarities:
// bytea loses its \x, NaN and infinity become null, and char(n) is cast to
// char(1) for its name alone says that.
func toJSONB(c column, text string) string {
	switch c.typname {
	case "bytea":
		return "to_jsonb(" + literal(strings.TrimPrefix(text, `\x`)) + "::text)"
	case "numeric", "float4", "float8":
		if text == "NaN" || strings.HasSuffix(text, "Infinity") {
			return "null"
		}
	case "bpchar":
		return "to_jsonb(" + literal(text) + "::character)"
	}
	return "to_jsonb(" + literal(text) + "::" + c.format + ")"
}

// deliver sends the change to a channel, where it matches a binding.
func (r *renderer) deliver(ctx context.Context, c *rendered, ch *channel) error {
	var ids []string
	var selected []string
	for i := range ch.bindings {
		b := &ch.bindings[i]
		ok, err := r.matches(ctx, c, b)
		if err != nil {
			return err
		}
		if ok {
			ids = append(ids, itoa(b.id))
			selected = b.columns
		}
	}
	if len(ids) == 0 {
		return nil
	}
	ch.mu.Lock()
	cl := ch.claims
	ch.mu.Unlock()
	readable, err := r.readable(ctx, c.rel, cl.role)
	if err != nil {
		return err
	}
	if ok, err := r.visible(ctx, c, cl); err != nil || !ok {
		return err
	}
	data := c.print(readable, selected, r.s.opts.MaxRecord)
	ch.c.send(nil, nil, ch.topic, "postgres_changes", `{"data":`+data+`,"ids":[`+strings.Join(ids, ",")+`]}`)
	return nil
}

func (r *renderer) matches(ctx context.Context, c *rendered, b *binding) (bool, error) {
	if (b.event != "*" && b.event != c.op) || (b.schema != "*" && b.schema != c.rel.schema) ||
		(b.table != "*" && b.table != c.rel.name) {
		return false, nil
	}
	for _, f := range b.filters {
		i := slices.IndexFunc(c.rel.columns, func(col column) bool { return col.name == f.column })
		if i < 0 || c.text[i].Kind != source.Text {
			return false, nil
		}
		var ok *bool
		sql := "select " + f.sql(string(c.text[i].Data), c.rel.columns[i].format)
		if err := r.meta.QueryRow(ctx, sql, pgx.QueryExecModeExec).Scan(&ok); err != nil {
			return false, err
		}
		if ok == nil || !*ok {
			return false, nil
		}
	}
	return true, nil
}

// readable tells which columns the role may select.
func (r *renderer) readable(ctx context.Context, rel *relation, role string) ([]bool, error) {
	if out, ok := rel.readable[role]; ok {
		return out, nil
	}
	var out []bool
	err := r.meta.QueryRow(ctx, `select array_agg(has_column_privilege($1, attrelid, attnum, 'SELECT') order by attnum)
		from pg_attribute where attrelid = $2 and attnum > 0 and not attisdropped`, role, rel.oid).Scan(&out)
	if err == nil {
		rel.readable[role] = out
	}
	return out, err
}

// visible looks the row up as the role, where the table has row level
// security: a row that is gone by now, or not the role's, is not delivered.
func (r *renderer) visible(ctx context.Context, c *rendered, cl claims) (bool, error) {
	if !c.rel.rls || c.op == "DELETE" || !c.rel.hasKey() {
		return true, nil
	}
	var conds []string
	for i, col := range c.rel.columns {
		if col.pk {
			conds = append(conds, pgx.Identifier{col.name}.Sanitize()+" = "+literal(string(c.text[i].Data))+"::"+col.format)
		}
	}
	tx, err := r.meta.Begin(ctx)
	if err != nil {
		return false, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	readable, err := r.readable(ctx, c.rel, cl.role)
	if err != nil {
		return false, err
	}
	for i, col := range c.rel.columns {
		if col.pk && !readable[i] {
			return true, nil // answered by error 401
		}
	}
	if _, err := tx.Exec(ctx, "select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)", cl.role, cl.json); err != nil {
		return false, err
	}
	var ok bool
	sql := "select exists(select 1 from " + pgx.Identifier{c.rel.schema, c.rel.name}.Sanitize() + " where " + strings.Join(conds, " and ") + ")"
	err = tx.QueryRow(ctx, sql, pgx.QueryExecModeExec).Scan(&ok)
	return ok, err
}

// print prints the change's data for a reader of the given columns.
func (c *rendered) print(readable []bool, selected []string, maxRecord int) string {
	errs, commit := "null", quote(c.commit)
	show := slices.Clone(readable)
	keyHidden := false
	for i, col := range c.rel.columns {
		if selected != nil && !col.pk && !slices.Contains(selected, col.name) {
			show[i] = false
		}
		keyHidden = keyHidden || (col.pk && !readable[i])
	}
	columns := c.columnList(show)
	row, old := c.row, c.old
	if c.op == "DELETE" && c.rel.rls {
		old = slices.Clone(old)
		for i, col := range c.rel.columns {
			if !col.pk {
				old[i] = nil
			}
		}
	}
	record, oldRecord := c.object(row, show, false), c.object(old, show, false)
	switch {
	case c.op != "DELETE" && !c.rel.hasKey():
		errs, commit, columns, record, oldRecord = `["Error 400: Bad Request, no primary key"]`, "null", "[]", "{}", "{}"
	case c.op != "DELETE" && keyHidden:
		errs, commit, columns, record, oldRecord = `["Error 401: Unauthorized"]`, "null", "[]", "{}", "{}"
	case c.size > maxRecord:
		errs = `["Error 413: Payload Too Large"]`
		record, oldRecord = c.object(row, show, true), c.object(old, show, true)
	}
	var b strings.Builder
	b.WriteString(`{"table":` + quote(c.rel.name) + `,"type":` + quote(c.op))
	if c.op != "DELETE" {
		b.WriteString(`,"record":` + record)
	}
	b.WriteString(`,"columns":` + columns + `,"errors":` + errs + `,"schema":` + quote(c.rel.schema) + `,"commit_timestamp":` + commit)
	if c.op != "INSERT" {
		b.WriteString(`,"old_record":` + oldRecord)
	}
	b.WriteByte('}')
	return b.String()
}

func (c *rendered) columnList(show []bool) string {
	var parts []string
	for i, col := range c.rel.columns {
		if show[i] {
			parts = append(parts, `{"name": `+quote(col.name)+`, "type": `+quote(col.typname)+`}`)
		}
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// object prints values as jsonb does: keys by length, then by bytes. cut
// leaves out what is longer than 64 bytes, or null.
func (c *rendered) object(values []json.RawMessage, show []bool, cut bool) string {
	var at []int
	for i, v := range values {
		if v == nil || !show[i] || (cut && (len(v) > 64 || string(v) == "null")) {
			continue
		}
		at = append(at, i)
	}
	slices.SortFunc(at, func(a, b int) int {
		x, y := c.rel.columns[a].name, c.rel.columns[b].name
		if len(x) != len(y) {
			return len(x) - len(y)
		}
		return strings.Compare(x, y)
	})
	parts := make([]string, len(at))
	for j, i := range at {
		parts[j] = quote(c.rel.columns[i].name) + ": " + string(values[i])
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
