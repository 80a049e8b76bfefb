package provision

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Inspect inspects the database that conn is connected to, as the role that it is
// connected as, and changes nothing. An error is that of a query; what is wrong
// at the database is in the Report.
func Inspect(ctx context.Context, conn *pgx.Conn, want Want) (Report, error) {
	r := Report{want: want, columns: map[string][]column{}}
	if err := r.want.validate(); err != nil {
		return r, err
	}
	for _, inspect := range []func(context.Context, *pgx.Conn) error{
		r.server, r.role, r.tables, r.publication, r.slot, r.otherSlots, r.memory,
	} {
		if err := inspect(ctx, conn); err != nil {
			return r, err
		}
	}
	return r, nil
}
