package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"chatbridge/mapping"

	"github.com/jackc/pgx/v5"
)

// tablesSQL gives every table of the application's schemas with its columns.
const tablesSQL = `select n.nspname::text, c.relname::text, array_agg(a.attname::text order by a.attnum)
	from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
	where c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
	group by 1, 2`

// tables are the columns of tables, by schema and name.
type tables map[string]map[string][]string

// fit is a preset on the tables of a schema.
type fit struct {
	preset, schema string
	// file is what a mapping.file has to say of the tables, "" for nothing.
	file string
	// warnings are how many things the tables lack.
	warnings int
}

// fitting looks for a preset that fits the tables better than the configured mapping,
// which lacks so much of them; refused tells that the bridge does not start with it.
func (r *run) fitting(ctx context.Context, conn *pgx.Conn, lacks int, refused bool) {
	rows, err := conn.Query(ctx, tablesSQL)
	if err != nil {
		return // columns has said what is wrong
	}
	found := tables{}
	var schema, name string
	var columns []string
	if _, err := pgx.ForEachRow(rows, []any{&schema, &name, &columns}, func() error {
		if found[schema] == nil {
			found[schema] = map[string][]string{}
		}
		found[schema][name] = slices.Clone(columns)
		return nil
	}); err != nil {
		return
	}
	best, ok := bestFit(found)
	if !ok || !refused && best.warnings >= lacks {
		return
	}
	what := fmt.Sprintf("the tables are those of the preset %s rather than of %s%s", best.preset, r.cfg.Mapping.Preset, with(r.cfg.Mapping.File))
	fix := "mapping.preset: " + best.preset
	if best.file != "" {
		what += ", in the schema " + best.schema
		fix += ", and a mapping.file that says: " + best.file
	}
	r.warn("mapping.preset", "mapping.preset", what, "what mapping.columns tells of is missing", fix)
}

// bestFit is the preset and schema whose tables have all that is required and lack
// least; public comes first.
func bestFit(found tables) (best fit, ok bool) {
	schemas := []string{"public"}
	for schema := range found {
		if schema != "public" {
			schemas = append(schemas, schema)
		}
	}
	slices.Sort(schemas[1:])
	for _, schema := range schemas {
		for _, preset := range mapping.Presets() {
			if f, fits := found.try(preset, schema); fits && (!ok || f.warnings < best.warnings) {
				best, ok = f, true
			}
		}
	}
	return best, ok
}

// try compares a preset with the tables of a schema. Its references may also be where
// the preset has them.
func (t tables) try(preset, schema string) (fit, bool) {
	f := fit{preset: preset, schema: schema}
	spec, err := mapping.Load(preset, "")
	if err != nil {
		return f, false
	}
	if f.file = t.tableNames(spec, schema); f.file != "" {
		if spec, err = mapping.Parse(preset, "mapping.file", []byte(f.file)); err != nil {
			return f, false
		}
	}
	warnings, err := spec.Check(func(schema, table string) []string { return t[schema][table] })
	f.warnings = len(warnings)
	return f, err == nil
}

// tableNames is a mapping.file in one line that names the tables of a schema; "" where
// the mapping has them there.
func (t tables) tableNames(spec *mapping.Spec, schema string) string {
	var sections, references []string
	for _, table := range spec.Tables() {
		if table.Schema == schema || t[schema][table.Name] == nil {
			continue
		}
		named := fmt.Sprintf("%s: {table: %s.%s}", table.Role, schema, table.Name)
		if table.Role == "message" || table.Role == "conversation" {
			sections = append(sections, named)
		} else {
			references = append(references, named)
		}
	}
	if len(references) > 0 {
		sections = append(sections, "references: {"+strings.Join(references, ", ")+"}")
	}
	if len(sections) == 0 {
		return ""
	}
	return "{" + strings.Join(sections, ", ") + "}"
}
