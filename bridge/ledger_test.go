package bridge_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatbridge/bridge/check"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
)

// TestLedgerOfLogicalReplication: a bridge that finds its slot gone knows what an earlier
// one published: it reads back what was committed meanwhile and no more.
func TestLedgerOfLogicalReplication(t *testing.T) {
	t.Parallel()
	env := []string{often, "BRIDGE_LEDGER_FILE=" + filepath.Join(t.TempDir(), "ledger"), "BRIDGE_REPLAY_WINDOW=0s"}
	r := startRepair(t, pgtest.DB(t, schemas.CRM), env...)
	r.writeSome(30)
	r.complete(false)
	r.daemonTest.stop()
	if l := r.Snapshot().Ledger; l == nil || l.Error != "" || l.Rows < 30 {
		t.Fatalf("the ledger: %+v", l)
	}
	r.exec("select pg_drop_replication_slot($1)", r.slot())
	r.writeSome(5)
	r.daemonTest = startDaemon(t, r.dsn, env...)
	r.ready()
	r.await("the gap", r.readBack(1))
	r.comeBack()
	r.complete(false)
	// Each of the five writes makes a message and changes another, and its conversation's
	// row; what was published in the last transaction is read again.
	if s := r.Snapshot().Repair; s.Rows < 6 || s.Rows > 12 {
		t.Errorf("%d rows were read back: %+v", s.Rows, s)
	}
}

// TestCheckOfALedgerInUse: a ledger that another process has is named with it; the one that
// the bridge of this configuration has open is as it should be.
func TestCheckOfALedgerInUse(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "ledger")
	dsn, ledger := pgtest.DB(t, schemas.CRM), "BRIDGE_LEDGER_FILE="+file
	d := startDaemon(t, dsn, ledger, "BRIDGE_ADMIN_TOKEN=the-operators-token")
	d.ready()
	for name, tt := range map[string]struct {
		env  []string
		want string
	}{
		"its own":        {[]string{"BRIDGE_ADMIN_LISTEN=" + d.AdminAddr().String(), "BRIDGE_ADMIN_TOKEN=the-operators-token"}, "ok"},
		"an old token":   {[]string{"BRIDGE_ADMIN_LISTEN=" + d.AdminAddr().String(), "BRIDGE_ADMIN_TOKEN=the-token-before-that"}, "warn"},
		"another's":      {[]string{"BRIDGE_ADMIN_LISTEN=127.0.0.1:1"}, "warn"},
		"without admin":  {[]string{"BRIDGE_ADMIN_LISTEN=", "BRIDGE_LISTEN=" + d.Addr().String()}, "ok"},
		"no bridge runs": {[]string{"BRIDGE_ADMIN_LISTEN=", "BRIDGE_LISTEN=127.0.0.1:1"}, "warn"},
	} {
		got := map[string]string{}
		for _, f := range check.Run(t.Context(), load(t, append(tt.env, "DATABASE_URL=postgres://127.0.0.1:1/nowhere", ledger))) {
			if f.ID == "ledger.file" {
				got[f.Level.String()] = f.What
			}
		}
		what, ok := got[tt.want]
		if !ok || len(got) != 1 || tt.want == "warn" && !strings.Contains(what, fmt.Sprintf("%d (", os.Getpid())) ||
			strings.Contains(what, "the admin.token of this configuration is wrong") != (name == "an old token") {
			t.Errorf("%s: %v", name, got)
		}
	}
}
