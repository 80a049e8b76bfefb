package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"chatbridge/mapping"
	"chatbridge/mapping/contract"
	"chatbridge/mapping/engine"
	"chatbridge/mapping/lookup"
	"chatbridge/source"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// invented maps one invented message of the real table's columns, in a conversation
// that exists if there is one, with the look-ups of the bridge. Nothing is inserted,
// not even to be rolled back: what the table's triggers do outside of the database
// would stay done.
func (r *run) invented(ctx context.Context, pool *pgxpool.Pool, lookups *lookup.Lookup) {
	const id = "mapping.invented"
	tables := r.spec.Tables()
	message, conversation := &tables[0], &tables[1]
	object := message.Schema + "." + message.Name
	change, err := inventedRow(ctx, pool, message, conversation)
	if err != nil {
		r.fail(id, object, "no message could be invented: "+err.Error(), "", "try again")
		return
	}
	var warnings []string
	events := map[contract.Kind]int{}
	count := func(e *contract.Event) error {
		events[e.Kind]++
		return nil
	}
	mapper := engine.New(r.spec, engine.Options{Lookup: lookups, EventBytes: int(r.cfg.Limits.Event), Warn: func(w engine.Warning) {
		if w.Reason != "unknown_word" { // its words are invented
			warnings = append(warnings, w.Detail)
		}
	}})
	mapper.Begin(source.Tx{Commit: 1, Time: time.Now()})
	if err = mapper.Change(change, count); err == nil {
		err = mapper.Commit(count)
	}
	if err == nil {
		err = mapper.LookupError()
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		r.warn(id, object, fmt.Sprintf("the look-ups for an invented message take longer than lookup.timeout (%s)", r.cfg.Lookup.Timeout),
			"events go without what they would find, and are corrected later", "raise lookup.timeout, or find out why the database is slow; table.index names an index that is missing")
	case err != nil:
		r.fail(id, object, "an invented message could not be mapped: "+err.Error(), "events go without what could not be looked up", "see the other lines, and try again")
	case len(warnings) > 0:
		r.warn(id, object, "an invented message does not map as it should: "+strings.Join(warnings, "; "), "so may messages of the application", "correct the mapping (mapping.preset, mapping.file)")
	case events[contract.Message] == 0:
		r.ok(id, object, "an invented message, which is not inserted, makes no event by the mapping's conditions")
	default:
		r.ok(id, object, "an invented message, which is not inserted, makes its events")
	}
}

// columnsSQL gives a table's columns and their types. Nothing is prepared: the
// address may be a pooler's.
const columnsSQL = `select a.attname::text, t.typname::text
	from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace join pg_type t on t.oid = a.atttypid
	where n.nspname = $1 and c.relname = $2 and a.attnum > 0 and not a.attisdropped order by a.attnum`

// inventedRow is the insert of a message.
func inventedRow(ctx context.Context, pool *pgxpool.Pool, message, conversation *mapping.Table) (*source.Change, error) {
	rows, err := pool.Query(ctx, columnsSQL, pgx.QueryExecModeExec, message.Schema, message.Name)
	if err != nil {
		return nil, fmt.Errorf("read the columns of %s.%s: %w", message.Schema, message.Name, err)
	}
	relation := &source.Relation{Schema: message.Schema, Name: message.Name, Identity: source.IdentityFull}
	var name, kind string
	if _, err := pgx.ForEachRow(rows, []any{&name, &kind}, func() error {
		relation.Columns = append(relation.Columns, source.Column{Name: name, Type: kind})
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read the columns of %s.%s: %w", message.Schema, message.Name, err)
	}
	known, err := someConversation(ctx, pool, message, conversation)
	if err != nil {
		return nil, err
	}
	row := make(source.Row, len(relation.Columns))
	for i, c := range relation.Columns {
		value, ok := known[c.Name]
		if !ok {
			value = inventedValue(c.Type)
		}
		if row[i].Kind = source.Null; value != "" {
			row[i] = source.Value{Kind: source.Text, Data: []byte(value)}
		}
	}
	return &source.Change{Op: source.Insert, Relation: relation, New: row}, nil
}

// someConversation returns what a message has of the conversation that it is in, by
// the message's columns: of any conversation that the role sees, empty for none.
func someConversation(ctx context.Context, pool *pgxpool.Pool, message, conversation *mapping.Table) (map[string]string, error) {
	column := func(slot int) string { return pgx.Identifier{conversation.Columns[slot].Name}.Sanitize() }
	sql := fmt.Sprintf("select %s::text, %s::text from %s where %[1]s is not null and %[2]s is not null limit 1",
		column(conversation.Key), column(conversation.Workspace), pgx.Identifier{conversation.Schema, conversation.Name}.Sanitize())
	rows, err := pool.Query(ctx, sql, pgx.QueryExecModeExec)
	if err != nil {
		return nil, fmt.Errorf("read a conversation: %w", err)
	}
	known := map[string]string{}
	for i := range message.Columns { // so that there is something at the places where ids are
		if c := &message.Columns[i]; c.Path != nil {
			setKnown(known, c, "invented")
		}
	}
	var key, workspace string
	if _, err := pgx.ForEachRow(rows, []any{&key, &workspace}, func() error {
		setKnown(known, &message.Columns[message.Conversation], key)
		setKnown(known, &message.Columns[message.Workspace], workspace)
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read a conversation: %w", err)
	}
	return known, nil
}

// setKnown gives a column a value, or the place inside it.
func setKnown(known map[string]string, c *mapping.Column, value string) {
	if c.Path == nil {
		known[c.Name] = value
		return
	}
	top := map[string]any{}
	_ = json.Unmarshal([]byte(known[c.Name]), &top) // nothing is there at first
	inner := top
	for _, step := range c.Path[:len(c.Path)-1] {
		next, ok := inner[step].(map[string]any)
		if !ok {
			next = map[string]any{}
			inner[step] = next
		}
		inner = next
	}
	inner[c.Path[len(c.Path)-1]] = value
	if text, err := json.Marshal(top); err == nil {
		known[c.Name] = string(text)
	}
}

// inventedValue is a value of a type in Postgres's text form, "" for NULL.
func inventedValue(kind string) string {
	switch kind {
	case "uuid":
		return "00000000-0000-4000-8000-000000000001"
	case "bool":
		return "f"
	case "json", "jsonb":
		return "{}"
	case "timestamptz":
		return "2026-01-01 00:00:00+00"
	case "timestamp":
		return "2026-01-01 00:00:00"
	case "date":
		return "2026-01-01"
	case "text", "varchar", "bpchar":
		return "invented"
	}
	if slices.Contains([]string{"int2", "int4", "int8", "numeric", "float4", "float8"}, kind) {
		return "1"
	}
	return ""
}
