package provision

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Columns returns the names of the columns that a table has, in their order; nil when there
// is no such table or the role may not see it.
func Columns(ctx context.Context, conn *pgx.Conn, schema, table string) ([]string, error) {
	rows, err := conn.Query(ctx, `select a.attname::text
		from pg_attribute a
		join pg_class c on c.oid = a.attrelid
		join pg_namespace n on n.oid = c.relnamespace
		where n.nspname = $1 and c.relname = $2 and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped
		order by a.attnum`, schema, table)
	if err != nil {
		return nil, fmt.Errorf("read the columns of %s.%s: %w", schema, table, err)
	}
	columns, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("read the columns of %s.%s: %w", schema, table, err)
	}
	return columns, nil
}

// ColumnTypes returns a function that tells a column's type as format_type has it,
// such as bigint; "" where there is none, or it cannot be read: then failed says
// so.
func ColumnTypes(ctx context.Context, conn *pgx.Conn) (typeOf func(schema, table, column string) string, failed func() error) {
	var wrong error
	typeOf = func(schema, table, column string) string {
		var kind string
		err := conn.QueryRow(ctx, `select coalesce((
			select format_type(a.atttypid, null)
			from pg_attribute a
			join pg_class c on c.oid = a.attrelid
			join pg_namespace n on n.oid = c.relnamespace
			where n.nspname = $1 and c.relname = $2 and a.attname = $3 and a.attnum > 0 and not a.attisdropped), '')`,
			schema, table, column).Scan(&kind)
		if err != nil && wrong == nil {
			wrong = fmt.Errorf("read the type of %s.%s.%s: %w", schema, table, column, err)
		}
		return kind
	}
	return typeOf, func() error { return wrong }
}
