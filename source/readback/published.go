package readback

import (
	"context"
	"encoding/json"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// Published is what a publication has of a table.
type Published struct {
	// Columns are those that are published, nil for all.
	Columns []string `json:"attnames"`
	// Where is the condition on the rows, in SQL, empty for all.
	Where string `json:"rowfilter"`
}

// Published returns what a publication has of a table, nil where it does not have it.
func (r *SQL) Published(ctx context.Context, publication string, t Table) (*Published, error) {
	var found *Published
	// Postgres 14 knows neither column lists nor row filters.
	const q = `select to_jsonb(p)::text from pg_publication_tables p where pubname = $1 and schemaname = $2 and tablename = $3`
	err := r.query(ctx, "read the publication", q, []any{publication, t.Schema, t.Name}, func(rows pgx.Rows) error {
		var text string
		if err := rows.Scan(&text); err != nil {
			return err
		}
		found = new(Published)
		return json.Unmarshal([]byte(text), found)
	})
	return found, err
}

// Reached reports whether the database that is read has what its primary had written
// up to lsn: a standby may not have it yet. It does not tell one history from another.
func (r *SQL) Reached(ctx context.Context, lsn uint64) (bool, error) {
	reached := false
	const q = `select not pg_is_in_recovery() or pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0') >= $1::numeric`
	err := r.query(ctx, "read how far the database is", q, []any{strconv.FormatUint(lsn, 10)}, func(rows pgx.Rows) error { return rows.Scan(&reached) })
	return reached, err
}
