package bridge_test

import (
	"path/filepath"
	"testing"

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
