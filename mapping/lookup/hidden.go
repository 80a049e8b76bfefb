package lookup

import (
	"context"
	"fmt"
	"strings"

	"chatbridge/internal/rowsecurity"
	"chatbridge/mapping/internal/plan"

	"github.com/jackc/pgx/v5/pgconn"
)

// Hidden tells of which of the tables of messages and conversations row level security
// may hide rows from the role, without an error; "" for none. remedy is the SQL that ends
// that.
func (p *Past) Hidden(ctx context.Context) (what, remedy string, err error) {
	const q = `select format('%I.%I', n.nspname, c.relname), quote_ident(current_user) from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where (n.nspname, c.relname) in (($1, $2), ($3, $4)) and ` + rowsecurity.Hides + ` order by 1`
	tables := p.fetcher.spec.Tables()
	m, c := &tables[plan.MessageTable], &tables[plan.ConversationTable]
	var names []string
	role := ""
	err = p.fetcher.once(ctx, func(pg *pgconn.PgConn, raw bool) error {
		names = nil
		b := begin(ctx, pg, raw)
		b.ExecParams(q, [][]byte{[]byte(m.Schema), []byte(m.Name), []byte(c.Schema), []byte(c.Name)}, nil, nil, nil)
		res := pg.ExecBatch(ctx, b)
		if res.NextResult() { // of the settings
			res.ResultReader().Close()
		}
		if res.NextResult() {
			for r := res.ResultReader(); r.NextRow(); {
				names, role = append(names, string(r.Values()[0])), string(r.Values()[1])
			}
		}
		return res.Close()
	})
	if err != nil {
		return "", "", fmt.Errorf("ask for row level security: %w", err)
	}
	if len(names) == 0 {
		return "", "", nil
	}
	what = "row level security of " + strings.Join(names, " and ") + " may hide rows from the role " + role
	return what, "ALTER ROLE " + role + " BYPASSRLS; or, on each table, a policy for it: CREATE POLICY bridge_reads ON " + names[0] + " FOR SELECT TO " + role + " USING (true);", nil
}
