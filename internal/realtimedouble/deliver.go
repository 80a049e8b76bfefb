package realtimedouble

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"chatbridge/internal/sqlquote"
	"chatbridge/source"
)

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
			conds = append(conds, pgx.Identifier{col.name}.Sanitize()+" = "+sqlquote.Literal(string(c.text[i].Data))+"::"+col.format)
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
