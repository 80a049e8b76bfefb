package postgrestdouble

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/jackc/pgx/v5"
)

// openAPI describes the tables that the role may select from, as far as
// readers of definitions need it. Properties come in the columns' order.
func (s *Server) openAPI(ctx context.Context, w http.ResponseWriter, tx pgx.Tx, schema string) error {
	if s.opts.NoOpenAPI {
		return &apiError{status: http.StatusNotFound, Code: "PGRST126", Message: "Root endpoint metadata is disabled"}
	}
	rows, err := tx.Query(ctx, `select c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
			coalesce(a.attnum = any(i.indkey), false)
		from pg_class c join pg_namespace n on n.oid = c.relnamespace
		join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
		left join pg_index i on i.indrelid = c.oid and i.indisprimary
		where n.nspname = $1 and c.relkind in ('r', 'p', 'v') and has_table_privilege(c.oid, 'SELECT')
		order by c.relname, a.attnum`, schema)
	if err != nil {
		return databaseError(err)
	}
	defer rows.Close()
	var b strings.Builder
	b.WriteString(`{"swagger":"2.0","definitions":{`)
	last := ""
	for rows.Next() {
		var table, column, format string
		var pk bool
		if err := rows.Scan(&table, &column, &format, &pk); err != nil {
			return err
		}
		switch {
		case table == last:
			b.WriteByte(',')
		case last != "":
			b.WriteString(`},"type":"object"},`)
			fallthrough
		default:
			b.WriteString(text(table) + `:{"properties":{`)
		}
		last = table
		b.WriteString(text(column) + `:{"format":` + text(format))
		if pk {
			b.WriteString(`,"description":"Note:\nThis is a Primary Key.<pk/>"`)
		}
		b.WriteString(`,"type":"string"}`)
	}
	if err := rows.Err(); err != nil {
		return databaseError(err)
	}
	if last != "" {
		b.WriteString(`},"type":"object"}`)
	}
	b.WriteString("}}")
	w.Header().Set("Content-Type", "application/openapi+json; charset=utf-8")
	_, _ = w.Write([]byte(b.String()))
	return nil
}

func text(s string) string {
	b, _ := json.Marshal(s) // a string always encodes
	return string(b)
}
