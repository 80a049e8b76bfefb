package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Querier is a connection or pool of pgx.
type Querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// MembersTable is where members are: a table, or schema.table, and two of its
// columns, of any type that has a text form.
type MembersTable struct {
	Table, UserColumn, WorkspaceColumn string
}

// SQLMembers asks the database. Its role needs SELECT on the table, and
// BYPASSRLS where row level security is on.
type SQLMembers struct {
	db  Querier
	sql string
}

// NewSQLMembers returns a Members that asks db.
func NewSQLMembers(db Querier, t MembersTable) *SQLMembers {
	user, workspace := pgx.Identifier{t.UserColumn}.Sanitize(), pgx.Identifier{t.WorkspaceColumn}.Sanitize()
	table := pgx.Identifier(strings.SplitN(t.Table, ".", 2)).Sanitize()
	// Compared in the columns' own types, so that their indexes serve.
	return &SQLMembers{db: db, sql: fmt.Sprintf("select %s::text from %s where %s = $1 and %s = $2 limit 1", workspace, table, user, workspace)}
}

// Find implements Members. Texts that are no value of the columns' types,
// such as no uuid, are nobody's. They go to the server as texts: pgx would
// otherwise refuse them with an error of its own.
func (m *SQLMembers) Find(ctx context.Context, user, workspace string) (string, error) {
	var found string
	err := m.db.QueryRow(ctx, m.sql, pgx.QueryExecModeExec, user, workspace).Scan(&found)
	var pgErr *pgconn.PgError
	switch {
	case err == nil:
		return found, nil
	case errors.Is(err, pgx.ErrNoRows):
		return "", nil
	case errors.As(err, &pgErr) && (pgErr.Code == "22P02" || pgErr.Code == "22003"):
		return "", nil
	}
	return "", err
}
