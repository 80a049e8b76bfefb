package provision_test

import (
	"fmt"
	"testing"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/source/postgres"
	"chatbridge/source/postgres/provision"
)

// TestMemory: what is kept in the database is held against the slot.
func TestMemory(t *testing.T) {
	t.Parallel()
	c := pgtest.Cluster(t, throwaway.Options{TCP: true})
	url := pgtest.On(t, c, schemas.CRM, `create publication bridge for table messages, conversations`,
		`create role poor login replication password 'x'; grant select on all tables in schema public to poor`)
	want := crm(t)
	first, _ := postgres.Objects(want.Slot)
	conn := connect(t, url)
	expect := func(id string, level provision.Level, found bool) {
		t.Helper()
		r := inspect(t, conn, want)
		if f, ok := r.Find(id, want.Slot); ok != found || f.Level != level {
			t.Errorf("%s: %+v, %v", id, f, ok)
		}
	}
	run := func(sql string) {
		t.Helper()
		if err := pgtest.Exec(t.Context(), url, sql); err != nil {
			t.Fatal(err)
		}
	}
	expect("memory.database", provision.OK, true)
	expect("memory.slot", provision.OK, false)
	run(fmt.Sprintf(`select lo_from_bytea(%d, convert_to('{"slot":"%s","lsn":"0/100"}   ', 'UTF8'))`, first, want.Slot))
	expect("memory.slot", provision.Warn, true) // the slot is gone
	run(`select pg_create_logical_replication_slot('` + want.Slot + `', 'pgoutput')`)
	expect("memory.slot", provision.Warn, true) // and made anew
	run(fmt.Sprintf(`select lo_put(%d, 0, convert_to('{"slot":"%s","lsn":"FF/100"}  ', 'UTF8'))`, first, want.Slot))
	expect("memory.slot", provision.OK, false)
	expect("memory.database", provision.OK, true)

	// Another role's object is none of ours.
	conn = connect(t, as(t, url, "poor"))
	expect("memory.slot", provision.OK, false)
	run(`revoke execute on function lo_from_bytea(oid, bytea) from public`)
	expect("memory.database", provision.Warn, true)
	run(`select pg_drop_replication_slot('` + want.Slot + `')`)
}
