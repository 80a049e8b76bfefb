package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Querier is a connection or pool of pgx. Concurrent use needs a pool.
type Querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// MembersTable names the table of members, as table or schema.table, and two of its
// columns, which may be of any type that has a text form.
type MembersTable struct {
	Table, UserColumn, WorkspaceColumn string
}

// SQLMembers asks the database. Its role needs SELECT on the table, and
// BYPASSRLS where row level security is on.
type SQLMembers struct {
	db        Querier
	one, many string
}

// NewSQLMembers returns a Members that asks db.
func NewSQLMembers(db Querier, t MembersTable) *SQLMembers {
	user, workspace := pgx.Identifier{t.UserColumn}.Sanitize(), pgx.Identifier{t.WorkspaceColumn}.Sanitize()
	table := pgx.Identifier(strings.SplitN(t.Table, ".", 2)).Sanitize()
	// Ids are compared in the columns' own types, so that indexes can be used.
	return &SQLMembers{
		db:   db,
		one:  fmt.Sprintf("select %s::text from %s where %s = $1 and %s = $2 limit 1", workspace, table, user, workspace),
		many: fmt.Sprintf("select distinct %s::text, %s::text from %s where %s = any ($1) and %s = any ($2)", user, workspace, table, user, workspace),
	}
}

// Find implements Members. An id that is not a value of its column's type, such as a
// uuid, belongs to no member. Ids are sent to the server as texts, because pgx would
// refuse such an id with an error of its own.
func (m *SQLMembers) Find(ctx context.Context, user, workspace string) (string, error) {
	var found string
	err := m.db.QueryRow(ctx, m.one, pgx.QueryExecModeExec, user, workspace).Scan(&found)
	if errors.Is(err, pgx.ErrNoRows) || isNoValue(err) {
		return "", nil
	}
	return found, err
}

// isNoValue reports whether Postgres refused a text as no value of the column's type.
func isNoValue(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && (refused.Code == "22P02" || refused.Code == "22003")
}

// Existing implements Members.
func (m *SQLMembers) Existing(ctx context.Context, of []Membership) ([]Membership, error) {
	users, workspaces := make([]string, len(of)), make([]string, len(of))
	for i, one := range of {
		users[i], workspaces[i] = one.User, one.Workspace
	}
	rows, err := m.db.Query(ctx, m.many, pgx.QueryExecModeExec, arrayText(users), arrayText(workspaces))
	if err != nil {
		return nil, err
	}
	existing, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Membership])
	if isNoValue(err) { // some id is: Find tells which
		return nil, nil
	}
	return existing, err
}

// arrayText sorts elements and returns the distinct ones as a Postgres array literal,
// which suits any element type.
func arrayText(elements []string) string {
	slices.Sort(elements)
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	var b strings.Builder
	b.WriteByte('{')
	for i, e := range slices.Compact(elements) {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"` + escape.Replace(e) + `"`)
	}
	b.WriteByte('}')
	return b.String()
}
