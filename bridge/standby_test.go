package bridge_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
)

// TestStandby: of two bridges on one slot the second refuses clients and takes
// over when the first ends, with all that was committed.
func TestStandby(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DB(t, schemas.CRM)
	conn, ids := crmDatabase(t, dsn, 1)
	first := startDaemon(t, dsn)
	first.ready()
	second := startDaemon(t, dsn)
	second.await("that it stands by", func() bool { return second.Snapshot().Source.State == "standby" })
	if code, body := second.get("/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "standby") {
		t.Errorf("/readyz of the one that stands by: %d %s", code, body)
	}
	if code, body := second.get("/api/ws/?EIO=4&transport=polling"); code != http.StatusServiceUnavailable || !strings.Contains(body, "stands by") {
		t.Errorf("a handshake with the one that stands by: %d %s", code, body)
	}
	insert := func(text string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), insertMessage, workspace, ids[0], text); err != nil {
			t.Fatal(err)
		}
	}
	insert("to the first")
	first.client(ids[0]).await("the message", func(events []event) bool { return bodies(events)["to the first"] })
	first.stop()
	insert("while nobody serves")
	second.ready()
	insert("to the second")
	second.client(ids[0]).await("all messages", func(events []event) bool { return len(bodies(events)) == 3 })
}

// TestABridgeThatLosesItsSlotLetsItsClientsGo: they would see nothing more.
func TestABridgeThatLosesItsSlotLetsItsClientsGo(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DB(t, schemas.CRM)
	conn, ids := crmDatabase(t, dsn, 1)
	d := startDaemon(t, dsn)
	d.ready()
	c := d.client(ids[0])
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	slot := strings.ToLower(config.Database)
	// Somebody else takes the slot as soon as it is free.
	thief := takeSlot(t, dsn, slot, conn)
	d.await("that it stands by", func() bool { return d.Snapshot().Source.State == "standby" })
	d.await("that its client is gone", func() bool { s := d.Snapshot(); return s.Connected() == 0 })
	_ = thief.Close(t.Context())
	d.ready()
	<-c.connected
}

// takeSlot ends the slot's holder and starts to stream from it before the
// holder is back.
func takeSlot(t *testing.T, dsn, slot string, admin *pgx.Conn) *pgconn.PgConn {
	t.Helper()
	cfg, err := pgconn.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	cfg.RuntimeParams["replication"] = "database"
	for range 100 {
		conn, err := pgconn.ConnectConfig(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := admin.Exec(t.Context(), "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1", slot); err != nil {
			t.Fatal(err)
		}
		for range 200 {
			conn.Frontend().Send(&pgproto3.Query{String: "START_REPLICATION SLOT " + slot + " LOGICAL 0/0 (proto_version '1', publication_names 'bridge')"})
			if err := conn.Frontend().Flush(); err != nil {
				t.Fatal(err)
			}
			m, err := conn.ReceiveMessage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := m.(*pgproto3.CopyBothResponse); ok {
				return conn
			}
			for {
				if _, ready := m.(*pgproto3.ReadyForQuery); ready {
					break
				}
				if m, err = conn.ReceiveMessage(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = conn.Close(t.Context())
	}
	t.Fatal("the slot could not be taken")
	return nil
}
