package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"chatbridge/mapping"
	"chatbridge/source/postgres/provision"

	"github.com/jackc/pgx/v5"
)

// uniqueColumns selects what each unique index of a table is on, as Postgres writes
// it: primary keys and unique indexes, without a condition.
const uniqueColumns = `select array_agg(pg_get_indexdef(i.indexrelid, k, true))
	from pg_index i
	join pg_class c on c.oid = i.indrelid
	join pg_namespace n on n.oid = c.relnamespace
	cross join lateral generate_series(1, i.indnkeyatts) k
	where n.nspname = $1 and c.relname = $2 and i.indisunique and i.indisvalid and i.indpred is null
	group by i.indexrelid`

// plainly makes two ways of writing a column, or a place inside one, the same.
var plainly = strings.NewReplacer(" ", "", "(", "", ")", "", `"`, "", "::text", "")

// keys checks that the mapping's keys identify one row each: there is a unique
// index of the key alone, or with the workspace.
func (r *run) keys(ctx context.Context, conn *pgx.Conn) {
	unique := true
	for _, t := range r.spec.Tables() {
		rows, err := conn.Query(ctx, uniqueColumns, t.Schema, t.Name)
		if err != nil {
			r.fail("mapping.keys", "", "the tables' indexes could not be read: "+err.Error(), "", "try again")
			return
		}
		indexes, err := pgx.CollectRows(rows, pgx.RowTo[[]string])
		if err != nil {
			r.fail("mapping.keys", "", "the tables' indexes could not be read: "+err.Error(), "", "try again")
			return
		}
		if columns, err := provision.Columns(ctx, conn, t.Schema, t.Name); err != nil || len(columns) == 0 {
			continue // columns reports it
		}
		columns := t.KeyParts()
		if t.Workspace >= 0 { // first, as an index has it
			columns = slices.Insert(columns, 0, &t.Columns[t.Workspace])
		}
		var key []string
		for _, c := range columns {
			key = append(key, plainly.Replace(c.String()))
		}
		for _, index := range indexes {
			for i := range index {
				index[i] = plainly.Replace(index[i])
			}
		}
		if !slices.ContainsFunc(indexes, func(index []string) bool { return isSubset(index, key) }) {
			unique = false
			r.notUnique(t, columns)
		}
	}
	if unique {
		r.ok("mapping.keys", "", "the mapping's keys are unique")
	}
}

func (r *run) notUnique(t mapping.Table, columns []*mapping.Column) {
	name := pgx.Identifier{t.Schema, t.Name}.Sanitize()
	key, quoted := make([]string, len(columns)), make([]string, len(columns))
	for i, c := range columns {
		key[i], quoted[i] = c.String(), pgx.Identifier{c.Name}.Sanitize()
		if c.Derived() {
			quoted[i] = "(" + strings.Replace(c.String(), c.Name, quoted[i], 1) + ")"
		}
	}
	fix := fmt.Sprintf("name the table's key in the mapping, or CREATE UNIQUE INDEX ON %s (%s);", name, strings.Join(quoted, ", "))
	if t.Workspace < 0 {
		fix = fmt.Sprintf("references.%s.workspace in the mapping: the column of the workspace, where %s is unique within it; else %s", t.Role, key[0], fix)
	}
	r.warn("mapping.keys", t.Schema+"."+t.Name, "no unique index says that "+strings.Join(key, " and ")+" name one row",
		"rows that share a key are taken for one: events show another's values, or are left out", fix)
}

func isSubset(some, of []string) bool {
	return len(some) > 0 && !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(of, s) })
}
