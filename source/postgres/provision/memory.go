package provision

import (
	"context"
	"fmt"

	"chatbridge/source/postgres"

	"github.com/jackc/pgx/v5"
)

const memorySQL = `
select (select min(oid::int8) from pg_largeobject_metadata where oid::int8 between $1::int8 and $2::int8 and pg_has_role(lomowner, 'usage')),
	has_function_privilege('lo_from_bytea(oid, bytea)', 'execute') and has_function_privilege('lo_put(oid, int8, bytea)', 'execute')
		and has_function_privilege('lo_get(oid)', 'execute') and not pg_is_in_recovery()
		and (select count(*) from pg_largeobject_metadata where oid::int8 between $1::int8 and $2::int8) <= $2::int8 - $1::int8`

// memory looks whether what was confirmed can be kept in the database.
func (r *Report) memory(ctx context.Context, conn *pgx.Conn) error {
	first, last := postgres.Objects(r.want.Slot)
	var object *int64
	var may bool
	if err := conn.QueryRow(ctx, memorySQL, int64(first), int64(last)).Scan(&object, &may); err != nil {
		return fmt.Errorf("look at what was confirmed: %w", err)
	}
	const id = "memory.database"
	switch {
	case object != nil:
		r.ok(id, r.want.Slot, fmt.Sprintf("how far changes were confirmed is kept in the large object %d", *object))
	case may:
		r.ok(id, r.want.Slot, "how far changes were confirmed can be kept in a large object")
	default:
		r.add(Finding{
			ID: id, Object: r.want.Slot, Level: Warn, What: "how far changes were confirmed cannot be kept in the database",
			Meaning: "without a state file (replay.state_file) a slot that is lost while no bridge runs is taken for a first start",
			Fix:     "GRANT EXECUTE ON FUNCTION lo_get(oid), lo_put(oid, bigint, bytea), lo_from_bytea(oid, bytea) TO CURRENT_USER; -- as a superuser, with the bridge's role",
		})
	}
	return nil
}
