package main

import (
	"strings"
	"testing"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"

	"github.com/jackc/pgx/v5"
)

// TestWrongPresetChangesNothing: neither serve nor setup makes anything in a database that
// the mapping does not fit.
func TestWrongPresetChangesNothing(t *testing.T) {
	url := pgtest.DB(t, schemas.CRM)
	configure(t, url, "judged_first")
	t.Setenv("BRIDGE_MAPPING_PRESET", "chatengine")
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context()) //nolint:errcheck // the database goes
	for _, c := range []struct {
		args []string
		code int
	}{{[]string{"serve"}, exitUsage}, {[]string{"setup", "--apply"}, exitFailed}} {
		code, out, errs := cli(t, "", c.args...)
		if code != c.code || !strings.Contains(out+errs, "mapping.preset") {
			t.Errorf("%v: %d: %s%s", c.args, code, out, errs)
		}
		var made int
		if err := conn.QueryRow(t.Context(), `select (select count(*) from pg_publication where pubname = 'bridge') + (select count(*) from pg_replication_slots where database = current_database())`).Scan(&made); err != nil || made != 0 {
			t.Errorf("%v made %d things, %v", c.args, made, err)
		}
	}
}
