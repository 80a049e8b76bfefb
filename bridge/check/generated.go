package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"chatbridge/mapping"

	"github.com/jackc/pgx/v5"
)

// generatedColumns selects the columns of a published table that Postgres makes itself
// and the stream lacks: all before 18, from then on those that the publication does not
// name. The kind is s for stored, v for virtual.
const generatedColumns = `select a.attname::text, a.attgenerated::text, current_setting('server_version_num')::int >= 180000
	from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
	where n.nspname = $1 and c.relname = $2 and a.attnum > 0 and not a.attisdropped and a.attgenerated <> ''
		and exists (select from pg_publication_tables p where p.pubname = $3 and p.schemaname = $1 and p.tablename = $2)
		and not (current_setting('server_version_num')::int >= 180000 and exists (
			select from pg_publication_tables p where p.pubname = $3 and p.schemaname = $1 and p.tablename = $2
				and to_jsonb(p) -> 'attnames' ? a.attname::text))`

// generated warns of columns that the mapping reads and that never come with a change,
// because Postgres generates them.
func (r *run) generated(ctx context.Context, conn *pgx.Conn) {
	tables := r.spec.Tables()
	publication := r.cfg.Source.Postgres.Publication
	for i := range tables {
		t := &tables[i]
		rows, err := conn.Query(ctx, generatedColumns, t.Schema, t.Name, publication)
		if err != nil {
			r.fail("mapping.generated", "", "the tables' generated columns could not be read: "+err.Error(), "", "try again")
			return
		}
		var name, kind string
		var publishable bool
		if _, err := pgx.ForEachRow(rows, []any{&name, &kind, &publishable}, func() error {
			r.generatedColumn(t, name, kind, publishable)
			return nil
		}); err != nil {
			r.fail("mapping.generated", "", "the tables' generated columns could not be read: "+err.Error(), "", "try again")
			return
		}
	}
}

// generatedColumn adds the finding for a generated column that the stream lacks, if the
// mapping reads it; publishable tells that the server can publish stored ones.
func (r *run) generatedColumn(t *mapping.Table, name, kind string, publishable bool) {
	i := slices.IndexFunc(t.Columns, func(c mapping.Column) bool { return c.Name == name })
	if i < 0 {
		return
	}
	table, column := pgx.Identifier{t.Schema, t.Name}.Sanitize(), pgx.Identifier{name}.Sanitize()
	fix := "in the mapping read the columns that it is made of; or make it an ordinary column, which a trigger of yours fills: "
	switch {
	case publishable && kind == "s":
		fix = fmt.Sprintf("ALTER PUBLICATION %s SET (publish_generated_columns = stored);", pgx.Identifier{r.cfg.Source.Postgres.Publication}.Sanitize())
	case kind == "s":
		fix += fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s DROP EXPRESSION;", table, column)
	default:
		fix += "a virtual column is never sent"
	}
	object, what := t.Schema+"."+t.Name, fmt.Sprintf("%s.%s.%s is generated, and Postgres does not send it with changes", t.Schema, t.Name, name)
	if t.Columns[i].Required {
		r.fail("mapping.generated", object, what, "no row of the table can be mapped", fix)
		return
	}
	meaning := "events go without it, or have what look-ups found of it before"
	if members := t.Columns[i].Members; len(members) > 0 {
		meaning = "events go without it: " + strings.Join(members, ", ")
	}
	r.warn("mapping.generated", object, what, meaning, fix)
}
