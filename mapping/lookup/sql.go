package lookup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"chatbridge/mapping"
	"chatbridge/mapping/engine"
	"chatbridge/source"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// sqlFetcher asks over a direct connection.
type sqlFetcher struct {
	pool  *pgxpool.Pool
	spec  *mapping.Spec
	texts statements
	// columns are the types of the tables' columns, those that may be read.
	columns []columnTypes
	known   bool
	// Nothing is prepared while plain is set, and until plainUntil. prepares is set by a
	// question that uses what is prepared.
	plain, prepares bool
	plainUntil      time.Time
	// rights are those that the role lacks, and missing tells that a table is not there,
	// as of learnedAt.
	rights    rights
	missing   bool
	learnedAt time.Time
	lookup    *Lookup // counts, and warns of missing rights
}

// relearn is how long missing rights and missing tables are remembered before the catalog
// is read again.
const relearn = time.Minute

// NewSQL returns a Lookup that asks over pool, which stays its caller's to
// close. Its role needs SELECT on the columns that the mapping reads, and
// BYPASSRLS or a policy where the tables have row-level security; NewPool makes
// it. A pooler in transaction mode is fine.
// limit is the longest that one question may take, 0 for DefaultLimit.
func NewSQL(pool *pgxpool.Pool, spec *mapping.Spec, limit time.Duration) *Lookup {
	f := &sqlFetcher{pool: pool, spec: spec}
	l := newLookup(f, spec, limit)
	f.lookup = l
	return l
}

// fetch asks everything in one round trip; the first one, and one after the
// tables or the role's rights changed, take another to learn the columns. It takes
// connections as they are: one that has ended meanwhile costs another question, and
// the others none (see unchecked).
func (s *sqlFetcher) fetch(ctx context.Context, need *engine.Need, found func(engine.Found)) error {
	var rows answers
	err := s.anyConnection(ctx, func(ctx context.Context, pg *pgconn.PgConn, raw bool) error {
		rows = rows[:0]
		return s.ask(ctx, pg, need, rows.add, raw)
	})
	rows.give(found)
	return err
}

// anyConnection asks over a connection of the pool that has not ended.
func (s *sqlFetcher) anyConnection(ctx context.Context, f func(ctx context.Context, pg *pgconn.PgConn, raw bool) error) error {
	ctx = context.WithValue(ctx, unchecked{}, true)
	ask := func(pg *pgconn.PgConn, raw bool) error { return f(ctx, pg, raw) }
	err := s.once(ctx, ask)
	for n := s.pool.Stat().MaxConns(); n > 0 && errors.Is(err, errEnded); n-- { // all may have
		err = s.once(ctx, ask)
	}
	return err
}

// errEnded is returned where the server or the network ended the connection.
var errEnded = errors.New("the connection ended")

// once asks over a connection of the pool, and asks again where the tables or the
// role's rights have changed, or where raw helps.
func (s *sqlFetcher) once(ctx context.Context, ask func(pg *pgconn.PgConn, raw bool) error) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect for lookups: %w", err)
	}
	defer conn.Release()
	pg := conn.Conn().PgConn()
	err = s.over(ctx, pg, ask)
	switch {
	case sqlState(err) == denied:
		return &DeniedError{Remedy: s.rights.remedy, Err: err}
	case err != nil && pg.IsClosed() && ctx.Err() == nil:
		return fmt.Errorf("%w: %w", errEnded, err)
	}
	return err
}

// over asks over one connection, and again, each once: without what was prepared, where
// that may be what failed; with the columns read anew; and raw.
func (s *sqlFetcher) over(ctx context.Context, pg *pgconn.PgConn, ask func(pg *pgconn.PgConn, raw bool) error) error {
	fresh := !s.known || (s.rights.lack() || s.missing) && time.Since(s.learnedAt) > relearn
	if fresh {
		if err := s.learn(ctx, pg); err != nil {
			return err
		}
	}
	defer func() { s.plain = false }()
	for raw := false; ; {
		s.prepares = false
		err := ask(pg, raw)
		switch code := sqlState(err); {
		case s.prepares && perhapsOfPreparing(code):
			sessionOf(pg).forget()
			if s.plain = true; notPrepared(code) {
				s.plainUntil = time.Now().Add(prepareAgain)
			}
		case !fresh && (shapeChanged(code) || code == denied):
			fresh = true
			if err := s.learn(ctx, pg); err != nil {
				return err
			}
		case !raw && untranslatable(code):
			// A byte that is not UTF-8 would fail the whole batch: read raw bytes instead,
			// of which only the letters outside ASCII are lost.
			raw = true
		default:
			return err
		}
	}
}

// sqlState returns the server's code for an error, "" for other errors.
func sqlState(err error) string {
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		return pe.Code
	}
	return ""
}

// untranslatable reports the error of a byte that the database's encoding does not define.
func untranslatable(code string) bool { return code == "22P05" || code == "22021" }

// shapeChanged reports the errors of an undefined column or table, and of columns of
// other types.
func shapeChanged(code string) bool {
	return code == "42703" || code == "42P01" || code == "42883" || code == "42804"
}

// learn reads which of the mapping's columns there are, and may be read, and
// writes the statements for them. A missing column is read as null; so is one that
// may not be read, unless nothing can be found without it: then the question fails.
func (s *sqlFetcher) learn(ctx context.Context, pg *pgconn.PgConn) error {
	tables := s.spec.Tables()
	b := begin(ctx, pg, false)
	for _, t := range tables {
		b.ExecParams(`select a.attname, format_type(a.atttypid, a.atttypmod),
				has_column_privilege(c.oid, a.attnum, 'select') and has_schema_privilege(n.oid, 'usage'), current_user
			from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
			where n.nspname = $1 and c.relname = $2 and a.attnum > 0 and not a.attisdropped`,
			[][]byte{[]byte(t.Schema), []byte(t.Name)}, nil, nil, nil)
	}
	res := pg.ExecBatch(ctx, b)
	if res.NextResult() { // of the settings
		res.ResultReader().Close()
	}
	columns, missing := make([]columnTypes, len(tables)), false
	var unreadable rights
	for i := range columns {
		columns[i] = columnTypes{}
		if res.NextResult() {
			role, mayNot := "", map[string]bool{}
			for r := res.ResultReader(); r.NextRow(); {
				v := r.Values()
				name := string(v[0])
				columns[i][name], role = string(v[1]), string(v[3])
				if string(v[2]) == "f" {
					mayNot[name] = true
				}
			}
			unreadable.add(&tables[i], role, columns[i], mayNot)
			missing = missing || role == ""
		}
	}
	if err := res.Close(); err != nil {
		return fmt.Errorf("read the tables' columns: %w", err)
	}
	if unreadable.without != "" && unreadable.without != s.rights.without && s.lookup.warn != nil {
		s.lookup.warn(unreadable.without + "; " + unreadable.remedy)
	}
	s.rights, s.missing, s.learnedAt = unreadable, missing, time.Now()
	s.texts, s.columns, s.known = newStatements(s.spec, columns), columns, true
	return nil
}

// asked is a question and the rows that it is about.
type asked struct {
	query
	rows []engine.RowKey
}

// ask sends the statements that the need calls for.
func (s *sqlFetcher) ask(ctx context.Context, pg *pgconn.PgConn, need *engine.Need, found func(engine.Found), raw bool) error {
	var questions []asked
	queue := func(q query, rows []engine.RowKey) {
		if q.text != "" && len(rows) > 0 {
			questions = append(questions, asked{q, rows})
		}
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
	for _, r := range need.Many {
		queue(s.texts.many[r.Table], r.Keys)
	}
	queue(s.texts.messages, need.Messages)
	if len(questions) == 0 {
		return nil
	}
	return s.send(ctx, pg, questions, found, raw)
}

// send asks the questions in one round trip.
func (s *sqlFetcher) send(ctx context.Context, pg *pgconn.PgConn, questions []asked, found func(engine.Found), raw bool) error {
	b := s.batch(pg.StartPipeline(ctx), pg, raw, settingsOf(ctx, pg, raw))
	for _, q := range questions {
		keys, workspaces := columnsOf(q.rows, q.parts)
		var values [][]byte
		for _, part := range keys {
			values = append(values, arrayText(part))
		}
		if q.workspaces {
			values = append(values, arrayText(workspaces))
		}
		b.ask(q.text, values)
	}
	var row source.Row
	var derived []byte
	answered, err := b.results(func(i int, r *pgconn.ResultReader) {
		if i == 0 { // the settings
			return
		}
		q := &questions[i-1]
		for r.NextRow() {
			row = s.textRow(row[:0], r.Values())
			derived = s.derive(q.role, row, derived[:0])
			found(engine.Found{Table: q.role, Newest: q.newest, Row: row})
		}
	})
	if err != nil {
		return fmt.Errorf("look up %s: %w", questions[min(max(answered-1, 0), len(questions)-1)].what, err)
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
			s.lookup.notUTF8.Add(1)
		}
		row = append(row, source.Value{Kind: source.Text, Data: v})
	}
	return row
}

// derive sets what a row of the table has that no column has as it is.
func (s *sqlFetcher) derive(role string, row source.Row, buf []byte) []byte {
	tables := s.spec.Tables()
	for i := range tables {
		if tables[i].Role == role {
			return tables[i].Derive(row, buf)
		}
	}
	return buf
}

// columnsOf returns the keys of rows, of which each is made of that many parts, and
// their workspaces, each once.
func columnsOf(rows []engine.RowKey, parts int) (keys [][]string, workspaces []string) {
	keys = make([][]string, max(parts, 1))
	for _, r := range rows {
		values := []string{r.Key}
		if len(keys) > 1 {
			values = strings.SplitN(r.Key, mapping.KeySeparator, len(keys))
		}
		for i, v := range values {
			keys[i] = append(keys[i], v)
		}
		workspaces = append(workspaces, r.Workspace)
	}
	for i := range keys {
		slices.Sort(keys[i])
		keys[i] = slices.Compact(keys[i])
	}
	slices.Sort(workspaces)
	return keys, slices.Compact(workspaces)
}

// arrayText writes keys as a Postgres array, each quoted. As text it takes the
// type of the column that it is compared with.
func arrayText(keys []string) []byte {
	n := 2
	for _, k := range keys {
		n += len(k) + len(`"",`)
	}
	b := append(make([]byte, 0, n), '{')
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		for j := range len(k) {
			if k[j] == '\\' || k[j] == '"' {
				b = append(b, '\\')
			}
			b = append(b, k[j])
		}
		b = append(b, '"')
	}
	return append(b, '}')
}
