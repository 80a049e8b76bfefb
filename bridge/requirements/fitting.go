package requirements

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"chatbridge/configs"
	"chatbridge/mapping"
	"chatbridge/source/postgres/provision"

	"github.com/jackc/pgx/v5"
)

// tablesSQL selects every table outside Postgres's own schemas, with its columns.
const tablesSQL = `select n.nspname::text, c.relname::text, array_agg(a.attname::text order by a.attnum)
	from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
	where c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
	group by 1, 2`

// tables are the columns of tables, by schema and name.
type tables map[string]map[string][]string

// fit is a preset on the tables of a schema.
type fit struct {
	preset, schema string
	// file is the mapping.file that names the tables; "" if the preset does.
	file string
	// message is the table of messages, as schema.table.
	message string
	// warnings is how many optional things the tables lack.
	warnings int
}

// ColumnsFix is what to do if the mapping reads what a table does not have.
const ColumnsFix = "correct the mapping (mapping.preset, mapping.file), or add what is missing to the table"

// Fitting explains why the configured mapping misses tables or columns. ok is false if it
// misses none, or if no explanation is found.
//
// If another preset fits the database's tables better, the finding names it. Its level is
// Fail, and the bridge does not start, if the configured mapping cannot be used, or if there
// is no mapping.file and the other preset lacks nothing; otherwise it is Warn. There is no
// such finding if a mapping.file keeps a preset that fits from fitting: the file is wrong.
//
// A database that has no table of the mapping, and fits no preset, is probably not the
// intended one. The finding says so (NoTables).
func Fitting(ctx context.Context, conn *pgx.Conn, m configs.Mapping, spec *mapping.Spec) (f provision.Finding, ok bool, err error) {
	found, err := readTables(ctx, conn)
	if err != nil {
		return f, false, err
	}
	missing, refused := spec.Check(found.columns)
	if refused == nil && len(missing) == 0 {
		return f, false, nil
	}
	if refused != nil && found.none(spec) {
		f, err := noTables(ctx, conn, spec)
		return f, err == nil, err
	}
	best, fits := bestFit(found)
	if !fits || refused == nil && best.warnings >= len(missing) || m.File != "" && found.fileIsWrong(m, spec, best) {
		return f, false, nil
	}
	with := ""
	if m.File != "" {
		with = " with " + m.File
	}
	f = provision.Finding{
		ID: "mapping.preset", Object: "mapping.preset", Level: provision.Warn, Meaning: "what mapping.columns tells of is missing",
		What: fmt.Sprintf("the tables are those of the preset %s rather than of %s%s", best.preset, m.Preset, with),
		Fix:  "mapping.preset: " + best.preset,
	}
	if best.preset == m.Preset && m.File == "" {
		f.What = "the tables of the preset " + best.preset + " are there"
	}
	if best.file != "" {
		f.What += ", in the schema " + best.schema
		f.Fix += ", and a mapping.file that says: " + best.file
	}
	if refused != nil || best.warnings == 0 && m.File == "" {
		f.Level, f.Meaning = provision.Fail, "the bridge does not start"
	}
	return f, true, nil
}

func readTables(ctx context.Context, conn *pgx.Conn) (tables, error) {
	rows, err := conn.Query(ctx, tablesSQL)
	if err != nil {
		return nil, fmt.Errorf("read the tables: %w", err)
	}
	found := tables{}
	var schema, name string
	var columns []string
	_, err = pgx.ForEachRow(rows, []any{&schema, &name, &columns}, func() error {
		if found[schema] == nil {
			found[schema] = map[string][]string{}
		}
		found[schema][name] = slices.Clone(columns)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the tables: %w", err)
	}
	return found, nil
}

func (t tables) columns(schema, table string) []string { return t[schema][table] }

// none reports whether no schema has a table of the mapping, and no preset fits.
func (t tables) none(spec *mapping.Spec) bool {
	for _, there := range t {
		for _, table := range spec.Tables() {
			if there[table.Name] != nil {
				return false
			}
		}
	}
	_, fits := bestFit(t)
	return !fits
}

// NoTables is the ID of the finding for a database that has none of the tables.
const NoTables = "database.tables"

// databasesSQL selects the name of the database, and up to ten others that the role may
// connect to.
const databasesSQL = `select current_database()::text, array(select datname::text from pg_database where datallowconn and not datistemplate
	and datname not in (current_database(), 'postgres') and has_database_privilege(oid, 'connect') order by 1 limit 10)`

// noTables makes the finding NoTables.
func noTables(ctx context.Context, conn *pgx.Conn, spec *mapping.Spec) (f provision.Finding, err error) {
	var database string
	var others []string
	if err := conn.QueryRow(ctx, databasesSQL).Scan(&database, &others); err != nil {
		return f, fmt.Errorf("read the databases' names: %w", err)
	}
	var names []string
	for _, table := range spec.Tables() {
		names = append(names, table.Schema+"."+table.Name)
	}
	f = provision.Finding{
		ID: NoTables, Object: "source.postgres.url", Level: provision.Fail, Meaning: "the bridge does not start",
		What: fmt.Sprintf("the database %q has none of the mapping's tables (%s)", database, strings.Join(names, ", ")),
		Fix:  "source.postgres.url: postgres://…/the database that has them",
	}
	if len(others) > 0 {
		f.Fix += "; this role may also connect to " + strings.Join(others, ", ")
	}
	f.Fix += "; or create them, or name others in mapping.file"
	return f, nil
}

// fileIsWrong reports whether the configured preset would fit without its mapping.file, or
// whether the mapping's table of messages exists and is another than best's.
func (t tables) fileIsWrong(m configs.Mapping, spec *mapping.Spec, best fit) bool {
	for schema := range t {
		if _, fits := t.try(m.Preset, schema); fits {
			return true
		}
	}
	table := spec.Tables()[0]
	return t[table.Schema][table.Name] != nil && table.Schema+"."+table.Name != best.message
}

// bestFit returns the preset and schema whose tables have all that is required and lack
// the fewest optional things. On a tie the schema public wins.
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

// try compares a preset with the tables of a schema. A table that the schema lacks is
// taken from where the preset has it.
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
	warnings, err := spec.Check(t.columns)
	f.message = spec.Tables()[0].Schema + "." + spec.Tables()[0].Name
	f.warnings = len(warnings)
	return f, err == nil
}

// tableNames returns, on one line, a mapping.file that names those tables of a schema that
// the mapping expects in another; "" if there are none.
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
