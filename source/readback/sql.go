package readback

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"chatbridge/internal/rowsecurity"
	"chatbridge/source"
)

// SQL reads through a database connection, which it opens when first needed
// and again after a failure. It prepares nothing, so that any pooler will do.
type SQL struct {
	// Password returns the role's password as it is when a connection is made. Nil, or
	// "" from it, for that of the address. It is set before the first question.
	Password func() string

	config    *pgx.ConnConfig
	timeout   time.Duration
	maxAnswer int
	conn      *pgx.Conn // nil while there is none
}

// NewSQL returns a reader of the database at url (a libpq connection string).
// It does not connect yet; a string that cannot be parsed is an error, which
// does not show the password. timeout bounds each statement; default 15 s.
func NewSQL(url string, timeout time.Duration) (*SQL, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("parse database address: %w", err)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "chatbridge"
	}
	if timeout <= 0 {
		timeout = 15 * time.Second
	}
	return &SQL{config: config, timeout: timeout, maxAnswer: maxAnswer}, nil
}

// Close closes the connection, if there is one.
func (r *SQL) Close() error {
	if r.conn == nil {
		return nil
	}
	// The caller's context has often ended by now; the goodbye is bounded.
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := r.conn.Close(ctx)
	r.conn = nil
	return err
}

// Describe reads the table's columns and primary key from the catalogue.
func (r *SQL) Describe(ctx context.Context, t Table) (Shape, error) {
	const q = `select a.attname, t.typname, a.atttypid::int8,
	coalesce(a.attnum = any(i.indkey), false), clock_timestamp(), ` + rowsecurity.Hides + `
from pg_attribute a
join pg_class c on c.oid = a.attrelid
join pg_namespace n on n.oid = c.relnamespace
join pg_type t on t.oid = a.atttypid
left join pg_index i on i.indrelid = c.oid and i.indisprimary
where n.nspname = $1 and c.relname = $2 and a.attnum > 0 and not a.attisdropped
	and ($3::text[] is null or a.attname = any($3::text[]) and has_column_privilege(c.oid, a.attnum, 'select'))
order by a.attnum`
	var shape Shape
	err := r.query(ctx, "describe "+t.String(), q, []any{t.Schema, t.Name, t.Only}, func(rows pgx.Rows) error {
		var c source.Column
		var oid int64
		if err := rows.Scan(&c.Name, &c.Type, &oid, &c.Key, &shape.Time, &shape.Filtered); err != nil {
			return err
		}
		c.TypeOID = uint32(oid)
		shape.Columns = append(shape.Columns, c)
		return nil
	})
	if err == nil && len(shape.Columns) == 0 {
		err = &Error{
			Op: "describe " + t.String(), Code: "42P01", Permanent: true,
			Err: errors.New("no such table"), Hint: "check its name and schema",
		}
	}
	return shape, err
}

// Scan reads one page of sketches.
func (r *SQL) Scan(ctx context.Context, q ScanRequest) (Page, error) {
	args := []any{q.Since.UTC()}
	where := "t." + ident(q.By) + " >= $1"
	cols := idents(append([]string{q.By}, q.Table.Key...))
	if q.After != nil {
		marks := make([]string, len(q.After))
		for i, v := range q.After {
			args = append(args, v)
			marks[i] = "$" + strconv.Itoa(len(args))
		}
		// The literals take the columns' types by themselves.
		where += fmt.Sprintf(" and (%s) > (%s)", cols, strings.Join(marks, ", "))
	}
	if q.Table.Where != "" {
		where += " and (" + q.Table.Where + ")"
	}
	// The time zone is set inside the statement, for a pooler may hand each
	// statement to another session.
	sql := fmt.Sprintf(`with utc as materialized (select set_config('TimeZone', 'UTC', true))
select row_to_json(s)::text, clock_timestamp() from utc,
lateral (select %s from %s t where %s order by %s limit %d) s`,
		idents(q.Table.Columns()), relation(q.Table), where, cols, q.Limit)
	var page Page
	size := 0
	err := r.query(ctx, "scan "+q.Table.String(), sql, args, func(rows pgx.Rows) error {
		var text string
		if err := rows.Scan(&text, &page.Time); err != nil {
			return err
		}
		row, err := r.parseRow(text, &size)
		page.Rows = append(page.Rows, row)
		return err
	})
	return page, err
}

// Fetch reads whole rows by key, in no particular order; keys that are no
// longer there are left out.
func (r *SQL) Fetch(ctx context.Context, t Table, keys [][]string) ([]Row, error) {
	var out []Row
	size := 0
	columns, where := "*", ""
	if len(t.Only) > 0 {
		columns = idents(t.Only)
	}
	if t.Where != "" {
		where = " and (" + t.Where + ")"
	}
	for len(keys) > 0 {
		n := min(len(keys), maxKeys)
		var args []any
		tuples := make([]string, n)
		for i, key := range keys[:n] {
			marks := make([]string, len(key))
			for j, v := range key {
				args = append(args, v)
				marks[j] = "$" + strconv.Itoa(len(args))
			}
			tuples[i] = "(" + strings.Join(marks, ", ") + ")"
		}
		sql := fmt.Sprintf(`with utc as materialized (select set_config('TimeZone', 'UTC', true))
select row_to_json(s)::text from utc,
lateral (select %s from %s t where (%s) in (%s)%s) s`,
			columns, relation(t), idents(t.Key), strings.Join(tuples, ", "), where)
		err := r.query(ctx, "read "+t.String(), sql, args, func(rows pgx.Rows) error {
			var text string
			if err := rows.Scan(&text); err != nil {
				return err
			}
			row, err := r.parseRow(text, &size)
			out = append(out, row)
			return err
		})
		if err != nil {
			return nil, err
		}
		keys = keys[n:]
	}
	return out, nil
}

// query runs one statement, connecting first where need be, and drops the
// connection after a failure that is not the statement's own.
func (r *SQL) query(ctx context.Context, op, sql string, args []any, each func(pgx.Rows) error) error {
	bounded, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	if r.conn == nil {
		config := r.config
		if r.Password != nil {
			if p := r.Password(); p != "" {
				config = config.Copy()
				config.Password = p
			}
		}
		conn, err := pgx.ConnectConfig(bounded, config)
		if err != nil {
			return &Error{Op: op, Err: fmt.Errorf("connect: %w", err), Hint: "check the database address the reconciler was given"}
		}
		r.conn = conn
	}
	rows, err := r.conn.Query(bounded, sql, args...)
	for err == nil && rows.Next() {
		if err = each(rows); err != nil {
			rows.Close()
		}
	}
	if err == nil {
		err = rows.Err()
	}
	if err == nil {
		return nil
	}
	out := &Error{Op: op, Err: err, Less: bounded.Err() != nil && ctx.Err() == nil}
	var less *Error
	if errors.As(err, &less) {
		out.Err, out.Less = less.Err, less.Less // a row's own
	}
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		out.Code, out.Less = pe.Code, out.Less || lessHelps(pe.Code)
		switch pe.Code {
		case "42501":
			out.Permanent, out.Hint = true, "grant select on the table to the role of the database address"
		case "42P01", "3F000":
			out.Permanent, out.Hint = true, "check the table's name and schema"
		case "42703":
			out.Permanent, out.Hint = true, "a column that the configuration names is not in the table"
		}
	}
	if pe == nil && less == nil || r.conn.IsClosed() {
		_ = r.Close()
	}
	return out
}

// parseRow reads one row of an answer, of which size bytes were read before it. One
// row alone may have any size.
func (r *SQL) parseRow(text string, size *int) (Row, error) {
	if *size > 0 && *size+len(text) > r.maxAnswer {
		return nil, &Error{Err: fmt.Errorf("answer is over %d bytes", r.maxAnswer), Less: true}
	}
	*size += len(text)
	var row Row
	if err := json.Unmarshal([]byte(text), &row); err != nil {
		return nil, &Error{Err: fmt.Errorf("read row: %w", err), Less: true}
	}
	return row, nil
}

func relation(t Table) string { return ident(t.Schema) + "." + ident(t.Name) }

func ident(s string) string { return pgx.Identifier{s}.Sanitize() }

func idents(names []string) string {
	q := make([]string, len(names))
	for i, n := range names {
		q[i] = "t." + ident(n)
	}
	return strings.Join(q, ", ")
}
