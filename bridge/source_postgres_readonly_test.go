package bridge_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway"
	"chatbridge/internal/throwaway/pgtest"
)

// A database that cannot be written and has no publication is waited for, and said why.
func TestReadOnlyDatabase(t *testing.T) {
	t.Parallel()
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		// As a managed server refuses it, whatever the session asks for.
		dsn := pgtest.DB(t, schemas.CRM, `create function refuse() returns event_trigger language plpgsql as
			$$ begin raise exception 'cannot execute % in a read-only transaction', tg_tag using errcode = '25006'; end $$`,
			`create event trigger refuse on ddl_command_start when tag in ('CREATE PUBLICATION') execute function refuse()`)
		_, ids := crmDatabase(t, dsn, 1)
		d := startDaemon(t, dsn)
		d.blocked("read-only", `CREATE PUBLICATION "bridge"`)
		exec(t, dsn, "alter event trigger refuse disable", publish)
		d.ready()
		d.arrives(dsn, ids[0])
	})
	t.Run("standby", func(t *testing.T) {
		t.Parallel()
		c := pgtest.Cluster(t, throwaway.Options{TCP: true})
		dsn := pgtest.On(t, c, schemas.CRM)
		_, ids := crmDatabase(t, dsn, 1)
		if err := c.Halt(t.Context(), "fast"); err != nil {
			t.Fatal(err)
		}
		signal := filepath.Join(c.Dir(), "data", "standby.signal")
		if err := os.WriteFile(signal, nil, 0o666); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(signal, 0o666); err != nil { // the server may run as another user
			t.Fatal(err)
		}
		if err := c.StartAgain(t.Context()); err != nil {
			t.Fatal(err)
		}
		d := startDaemon(t, dsn)
		d.blocked("standby", "promote")
		exec(t, dsn, "select pg_promote()")
		d.ready()
		d.arrives(dsn, ids[0])
	})
}

// blocked waits until the daemon is not ready for a reason, and has said so once with
// the remedy.
func (d *daemonTest) blocked(reason, remedy string) {
	d.t.Helper()
	d.await("being blocked", func() bool { return d.Snapshot().Source.State == "blocked" })
	if code, _ := d.get("/readyz"); code != http.StatusServiceUnavailable {
		d.t.Errorf("/readyz answers %d", code)
	}
	if s := d.Snapshot().Source; !strings.Contains(s.Reason, reason) || !strings.Contains(s.Remedy, remedy) {
		d.t.Errorf("%+v", s)
	}
	if n := strings.Count(d.log.String(), "waiting for the database"); n != 1 {
		d.t.Errorf("%d log lines:\n%s", n, d.log)
	}
}

// arrives expects a message to be published.
func (d *daemonTest) arrives(dsn, conversation string) {
	d.t.Helper()
	c := d.client(conversation)
	d.live(1)
	exec(d.t, dsn, "insert into messages (workspace_id, conversation_id, body, is_outgoing) values ('"+workspace+"', '"+conversation+"', 'x', false)")
	c.await("the message", func(events []event) bool { return len(events) > 0 })
}
