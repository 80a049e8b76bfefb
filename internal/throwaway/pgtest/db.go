package pgtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"chatbridge/internal/throwaway"

	"github.com/jackc/pgx/v5"
)

// DB creates a database on the binary's shared cluster, runs the SQL in
// it, and returns its superuser's address, over loopback TCP. When the test
// ends the database is dropped with its replication slots and whoever is
// still connected. wal_level is logical.
func DB(t testing.TB, sql ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), clusterTimeout)
	defer cancel()
	c, err := sharedCluster(ctx)
	if err != nil {
		t.Fatal("pgtest:", err)
	}
	return On(t, c, sql...)
}

// On is DB on a cluster of the caller's choice.
func On(t testing.TB, c *throwaway.Cluster, sql ...string) string {
	t.Helper()
	name := "t_" + strings.ToLower(rand.Text()[:12])
	if err := Exec(t.Context(), c.URL("postgres"), "create database "+name); err != nil {
		t.Fatal("pgtest: create a database:", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), clusterTimeout)
		defer cancel()
		if err := drop(ctx, c, name); err != nil {
			t.Error("pgtest: drop the database:", err)
		}
	})
	url := c.URL(name)
	if err := Exec(t.Context(), url, sql...); err != nil {
		t.Fatal("pgtest:", err)
	}
	return url
}

// Exec runs each SQL text, which may have several statements, on one new
// connection.
func Exec(ctx context.Context, url string, sql ...string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, s := range sql {
		if _, err := conn.PgConn().Exec(ctx, s).ReadAll(); err != nil {
			return fmt.Errorf("run %.60q: %w", s, err)
		}
	}
	return nil
}

// dropSlots drops the slots of a database, their users first.
const dropSlots = `
do $$
declare s record;
begin
	for s in select slot_name, active_pid from pg_replication_slots where database = %[1]s loop
		for i in 1..200 loop
			perform pg_terminate_backend(active_pid) from pg_replication_slots
				where slot_name = s.slot_name and active_pid is not null;
			begin
				perform pg_drop_replication_slot(s.slot_name)
					from pg_replication_slots where slot_name = s.slot_name;
				exit;
			exception
				when undefined_object then exit; -- a temporary one, whose user has just ended
				when object_in_use then perform pg_sleep(0.02);
			end;
		end loop;
	end loop;
end $$`

func drop(ctx context.Context, c *throwaway.Cluster, name string) error {
	return Exec(ctx, c.URL("postgres"),
		fmt.Sprintf(dropSlots, "'"+name+"'"),
		"drop database if exists "+name+" with (force)")
}
