package lookup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"chatbridge/mapping"
	"chatbridge/mapping/engine"
	"chatbridge/source"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// sqlFetcher asks over a direct connection.
type sqlFetcher struct {
	pool  *pgxpool.Pool
	spec  *mapping.Spec
	texts statements
	known bool
	// notUTF8 counts values that were no UTF-8.
	notUTF8 *atomic.Uint64
}

// NewSQL returns a Lookup that asks over pool, which stays its caller's to
// close. Its role needs SELECT on the mapping's tables, and BYPASSRLS where
// they have row-level security; NewPool makes it. Nothing is prepared in its
// sessions, so a pooler in transaction mode is fine. limit is the longest that
// one question may take, 0 for DefaultLimit.
func NewSQL(pool *pgxpool.Pool, spec *mapping.Spec, limit time.Duration) *Lookup {
	f := &sqlFetcher{pool: pool, spec: spec}
	l := newLookup(f, spec, limit)
	f.notUTF8 = &l.notUTF8
	return l
}

// fetch asks everything in one round trip; the first one, and one after the
// tables changed their shape, take another to learn the tables' columns.
func (s *sqlFetcher) fetch(ctx context.Context, need *engine.Need, found func(engine.Found)) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect for lookups: %w", err)
	}
	defer conn.Release()
	pg := conn.Conn().PgConn()
	fresh := !s.known
	if fresh {
		if err := s.learn(ctx, pg); err != nil {
			return err
		}
	}
	err = s.ask(ctx, pg, need, found, false)
	var pe *pgconn.PgError
	if !errors.As(err, &pe) {
		return err
	}
	switch {
	case !fresh && shapeChanged(pe.Code):
		if err = s.learn(ctx, pg); err == nil {
			err = s.ask(ctx, pg, need, found, false)
		}
	case untranslatable(pe.Code):
		// What has no form in UTF-8 costs the batch its letters outside ASCII,
		// not all that it lacks.
		err = s.ask(ctx, pg, need, found, true)
	}
	return err
}

// untranslatable tells a byte that the database's encoding does not define.
func untranslatable(code string) bool { return code == "22P05" || code == "22021" }

// shapeChanged tells an undefined column or table.
func shapeChanged(code string) bool { return code == "42703" || code == "42P01" }

// learn reads which of the mapping's columns there are and writes the
// statements for them: a missing column is read as null.
func (s *sqlFetcher) learn(ctx context.Context, pg *pgconn.PgConn) error {
	tables := s.spec.Tables()
	b := begin(ctx, pg, false)
	for _, t := range tables {
		b.ExecParams(`select attname, format_type(atttypid, atttypmod) from pg_attribute where attrelid = to_regclass($1) and attnum > 0 and not attisdropped`,
			[][]byte{[]byte(pgx.Identifier{t.Schema, t.Name}.Sanitize())}, nil, nil, nil)
	}
	res := pg.ExecBatch(ctx, b)
	if res.NextResult() { // of the settings
		res.ResultReader().Close()
	}
	columns := make([]columnTypes, len(tables))
	for i := range columns {
		columns[i] = columnTypes{}
		if res.NextResult() {
			for r := res.ResultReader(); r.NextRow(); {
				columns[i][string(r.Values()[0])] = string(r.Values()[1])
			}
		}
	}
	if err := res.Close(); err != nil {
		return fmt.Errorf("read the tables' columns: %w", err)
	}
	s.texts, s.known = newStatements(s.spec, columns), true
	return nil
}

// ask sends the statements that the need calls for.
func (s *sqlFetcher) ask(ctx context.Context, pg *pgconn.PgConn, need *engine.Need, found func(engine.Found), raw bool) error {
	b := begin(ctx, pg, raw)
	var asked []query
	queue := func(q query, rows []engine.RowKey) {
		if q.text == "" || len(rows) == 0 {
			return
		}
		keys, workspaces := columnsOf(rows)
		values := [][]byte{arrayText(keys), arrayText(workspaces)}
		if !q.workspaces {
			values = values[:1]
		}
		b.ExecParams(q.text, values, nil, nil, nil)
		asked = append(asked, q)
	}
	queue(s.texts.conversations, need.Conversations)
	for _, q := range s.texts.referencesOf {
		queue(q, need.Conversations)
	}
	queue(s.texts.newest, need.Newest)
	for _, r := range need.References {
		queue(s.texts.references[r.Table], r.Keys)
	}
	for _, r := range need.Related {
		for _, q := range s.texts.related[r.Table] {
			queue(q, r.Keys)
		}
	}
	queue(s.texts.messages, need.Messages)
	if len(asked) == 0 {
		return nil
	}
	res := pg.ExecBatch(ctx, b)
	if res.NextResult() { // of the settings
		res.ResultReader().Close()
	}
	var row source.Row
	i := 0
	for ; res.NextResult(); i++ {
		for r := res.ResultReader(); r.NextRow(); {
			row = s.textRow(row[:0], r.Values())
			found(engine.Found{Table: asked[i].role, Newest: asked[i].newest, Row: row})
		}
	}
	if err := res.Close(); err != nil {
		return fmt.Errorf("look up %s: %w", asked[min(i, len(asked)-1)].what, err)
	}
	return nil
}

// textRow takes values in Postgres's text form, as the stream has them. Bytes
// that are not UTF-8 are left to the Mapper, which prints each as U+FFFD: a key
// has to stay what it is.
func (s *sqlFetcher) textRow(row source.Row, values [][]byte) source.Row {
	for _, v := range values {
		if v == nil {
			row = append(row, source.Value{Kind: source.Null})
			continue
		}
		if !utf8.Valid(v) {
			s.notUTF8.Add(1)
		}
		row = append(row, source.Value{Kind: source.Text, Data: v})
	}
	return row
}

// columnsOf returns the keys of rows and their workspaces, each once.
func columnsOf(rows []engine.RowKey) (keys, workspaces []string) {
	for _, r := range rows {
		keys, workspaces = append(keys, r.Key), append(workspaces, r.Workspace)
	}
	slices.Sort(keys)
	slices.Sort(workspaces)
	return slices.Compact(keys), slices.Compact(workspaces)
}

// arrayText writes keys as a Postgres array, each quoted. As text it takes the
// type of the column that it is compared with.
func arrayText(keys []string) []byte {
	var b bytes.Buffer
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	b.WriteByte('{')
	for i, k := range keys {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('"')
		b.WriteString(escape.Replace(k))
		b.WriteByte('"')
	}
	b.WriteByte('}')
	return b.Bytes()
}
