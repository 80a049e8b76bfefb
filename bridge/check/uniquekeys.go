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

// uniqueColumns selects the columns of each unique index of a table: primary
// keys and unique indexes over plain columns, without a condition.
const uniqueColumns = `select array_agg(a.attname::text order by a.attname)
	from pg_index i
	join pg_class c on c.oid = i.indrelid
	join pg_namespace n on n.oid = c.relnamespace
	cross join lateral unnest(i.indkey[0:i.indnkeyatts - 1]) k(attnum)
	join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
	where n.nspname = $1 and c.relname = $2 and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
	group by i.indexrelid`

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
		key := []string{t.Columns[t.Key].Name}
		if t.Workspace >= 0 {
			key = append(key, t.Columns[t.Workspace].Name)
		}
		if !slices.ContainsFunc(indexes, func(index []string) bool { return isSubset(index, key) }) {
			unique = false
			r.notUnique(t, key)
		}
	}
	if unique {
		r.ok("mapping.keys", "", "the mapping's keys are unique")
	}
}

func (r *run) notUnique(t mapping.Table, key []string) {
	name := pgx.Identifier{t.Schema, t.Name}.Sanitize()
	slices.Reverse(key) // the workspace first, as an index has it
	quoted := make([]string, len(key))
	for i, k := range key {
		quoted[i] = pgx.Identifier{k}.Sanitize()
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
