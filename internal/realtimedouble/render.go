package realtimedouble

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"chatbridge/internal/sqlquote"
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
		return "to_jsonb(" + sqlquote.Literal(strings.TrimPrefix(text, `\x`)) + "::text)"
	case "numeric", "float4", "float8":
		if text == "NaN" || strings.HasSuffix(text, "Infinity") {
			return "null"
		}
	case "bpchar":
		return "to_jsonb(" + sqlquote.Literal(text) + "::character)"
	}
	return "to_jsonb(" + sqlquote.Literal(text) + "::" + c.format + ")"
}
