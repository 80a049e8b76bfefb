package provision

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Inspect looks at the database that conn is connected to, as the role that
// it is connected as. It changes nothing. The error is that of a query, not of
// the database's state, which is all in the Report.
func Inspect(ctx context.Context, conn *pgx.Conn, want Want) (Report, error) {
	r := Report{want: want, columns: map[string][]column{}}
	if err := r.want.validate(); err != nil {
		return r, err
	}
	for _, look := range []func(context.Context, *pgx.Conn) error{
		r.server, r.role, r.tables, r.publication, r.slot, r.memory,
	} {
		if err := look(ctx, conn); err != nil {
			return r, err
		}
	}
	return r, nil
}
