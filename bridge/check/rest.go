package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"chatbridge/mapping"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// indexColumns selects the columns of each index of a table that serves any query, in
// their order; an expression has no name.
const indexColumns = `select array(select coalesce((select a.attname::text from pg_attribute a where a.attrelid = i.indrelid and a.attnum = k.attnum), '')
		from unnest(i.indkey[0:i.indnkeyatts - 1]) with ordinality k(attnum, n) order by n)
	from pg_index i join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
	where n.nspname = $1 and c.relname = $2 and i.indisvalid and i.indpred is null`

// restIndexes checks that what REST asks for again and again is found by an index: a
// workspace's conversations, and a conversation's messages since a time.
func (r *run) restIndexes(ctx context.Context, pool *pgxpool.Pool) {
	if !r.cfg.REST.Enabled {
		return
	}
	tables := r.spec.Tables()
	messages, conversations := &tables[0], &tables[1]
	// With a conversation's key alone a question reads that conversation; a workspace's
	// are found by the workspace alone, and are few.
	conversation, at := r.spec.MessageTime()
	r.restIndex(ctx, pool, messages, []int{conversation, at}, []int{messages.Workspace})
	r.restIndex(ctx, pool, conversations, []int{conversations.Workspace}, nil)
}

// restIndex checks that an index of t begins with the columns in slots; those of between
// may stand between them.
func (r *run) restIndex(ctx context.Context, pool *pgxpool.Pool, t *mapping.Table, slots, between []int) {
	const id = "table.rest_index"
	name, columns := t.Schema+"."+t.Name, []string{}
	for _, slot := range slots {
		if slot < 0 || t.Columns[slot].Derived() {
			return // an index on it is one on an expression
		}
		columns = append(columns, t.Columns[slot].Name)
	}
	rows, err := pool.Query(ctx, indexColumns, pgx.QueryExecModeExec, t.Schema, t.Name)
	if err != nil {
		r.fail(id, name, "the table's indexes could not be read: "+err.Error(), "", "try again")
		return
	}
	indexes, err := pgx.CollectRows(rows, pgx.RowTo[[]string])
	if err != nil {
		r.fail(id, name, "the table's indexes could not be read: "+err.Error(), "", "try again")
		return
	}
	beginsWith := func(index []string) bool {
		for _, slot := range between {
			if slot >= 0 {
				index = slices.DeleteFunc(slices.Clone(index), func(c string) bool { return c == t.Columns[slot].Name })
			}
		}
		return len(index) >= len(columns) && slices.Equal(index[:len(columns)], columns)
	}
	list := strings.Join(columns, ", ")
	if slices.ContainsFunc(indexes, beginsWith) {
		r.ok(id, name, "%s has an index on (%s)", name, list)
		return
	}
	var quoted []string
	for _, c := range columns {
		quoted = append(quoted, pgx.Identifier{c}.Sanitize())
	}
	r.warn(id, name, fmt.Sprintf("%s has no index on (%s)", name, list), "each request of ChatEngine's REST interface (rest.enabled) reads the whole table",
		fmt.Sprintf("CREATE INDEX CONCURRENTLY ON %s (%s);", pgx.Identifier{t.Schema, t.Name}.Sanitize(), strings.Join(quoted, ", ")))
}
