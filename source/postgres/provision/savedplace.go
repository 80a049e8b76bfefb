package provision

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"chatbridge/source/postgres"
	"chatbridge/source/postgres/pgoutput"

	"github.com/jackc/pgx/v5"
)

// memorySQL reports whether objects of the range can be created and used.
const memorySQL = `
select has_function_privilege('lo_from_bytea(oid, bytea)', 'execute') and has_function_privilege('lo_put(oid, int8, bytea)', 'execute')
		and has_function_privilege('lo_get(oid)', 'execute') and not pg_is_in_recovery()
		and (select count(*) from pg_largeobject_metadata where oid::int8 between $1::int8 and $2::int8) <= $2::int8 - $1::int8`

// placeSQL reads what is saved, and where the slot is while nobody reads it.
const placeSQL = `
select m.oid::int8, encode(lo_get(m.oid), 'hex'),
	coalesce((select s.confirmed_flush_lsn::text from pg_replication_slots s where s.slot_name = $3 and s.active_pid is null), '')
from pg_largeobject_metadata m
where m.oid::int8 between $1::int8 and $2::int8 and pg_has_role(m.lomowner, 'usage') order by 1 limit 1`

// memory checks whether what was confirmed can be saved in the database, and
// whether the slot continues from it.
func (r *Report) memory(ctx context.Context, conn *pgx.Conn) error {
	const id = "memory.database"
	first, last := postgres.Objects(r.want.Slot)
	var may bool
	if err := conn.QueryRow(ctx, memorySQL, int64(first), int64(last)).Scan(&may); err != nil {
		return fmt.Errorf("inspect what was confirmed: %w", err)
	}
	if !may {
		r.add(Finding{
			ID: id, Object: r.want.Slot, Level: Warn, What: "how far changes were confirmed cannot be kept in the database",
			Meaning: "without a state file (replay.state_file) a slot that is lost while no bridge runs is taken for a first start",
			Fix: "as a superuser, with the bridge's role in place of ROLE:\n" +
				"GRANT EXECUTE ON FUNCTION lo_get(oid), lo_put(oid, bigint, bytea), lo_from_bytea(oid, bytea) TO ROLE;",
		})
		return nil
	}
	var object int64
	var text, slot string
	err := conn.QueryRow(ctx, placeSQL, int64(first), int64(last), r.want.Slot).Scan(&object, &text, &slot)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		r.ok(id, r.want.Slot, fmt.Sprintf("how far changes were confirmed can be kept in a large object (%d)", first))
		return nil
	case err != nil:
		return fmt.Errorf("inspect what was confirmed: %w", err)
	}
	r.ok(id, r.want.Slot, fmt.Sprintf("how far changes were confirmed is kept in the large object %d", object))
	r.place(text, slot)
	return nil
}

// place compares what is saved with the slot, empty where somebody reads it.
func (r *Report) place(text, slot string) {
	raw, err := hex.DecodeString(text)
	if err != nil {
		return
	}
	saved, err := postgres.DecodePlace(raw)
	if err != nil || saved.LSN == 0 || saved.Slot != r.want.Slot {
		return
	}
	at, err := pgoutput.ParseLSN(slot)
	switch {
	case r.recovery:
		// slotOnStandby tells of the slot.
	case !r.slotExists:
		r.add(Finding{
			ID: "memory.slot", Object: r.want.Slot, Level: Warn, What: fmt.Sprintf("the slot %s is gone, from which changes were confirmed up to %s", r.want.Slot, saved.LSN),
			Meaning: "what was changed since then is lost to the bridge, which reports it as a gap when it starts", Fix: "start the bridge",
		})
	case err == nil && at > saved.LSN:
		r.add(Finding{
			ID: "memory.slot", Object: r.want.Slot, Level: Warn, What: fmt.Sprintf("the slot %s is at %s, past the place %s up to which changes were confirmed", r.want.Slot, at, saved.LSN),
			Meaning: "it was made anew or moved on: what was changed in between is lost to the bridge, which reports it as a gap when it starts", Fix: "start the bridge",
		})
	}
}
