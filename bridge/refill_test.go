package bridge_test

import (
	"fmt"
	"testing"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/mapping/contract"
)

// TestRefillIsNotLate: what a bridge that was started again reads once more, to fill its log,
// is not counted as late; what is new is.
func TestRefillIsNotLate(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DB(t, schemas.CRM)
	_, ids := crmDatabase(t, dsn, 1)
	insert := func() {
		exec(t, dsn, fmt.Sprintf(`insert into messages (workspace_id, conversation_id, body, status, is_outgoing) values ('%s', '%s', 'x', 'delivered', false)`, workspace, ids[0]))
	}
	d := startDaemon(t, dsn)
	d.ready()
	insert()
	d.await("the message", func() bool { return d.Snapshot().Hub.Published[contract.Message] == 1 })
	if n := observed(d); n == 0 {
		t.Fatal("what is new is not counted")
	}
	d.stop()
	d = startDaemon(t, dsn)
	d.await("the refill", func() bool { return d.Snapshot().Hub.Published[contract.Message] == 1 })
	if n := observed(d); n != 0 {
		t.Errorf("%d events of the refill are counted as late", n)
	}
	insert()
	d.await("a new message", func() bool { return d.Snapshot().Hub.Published[contract.Message] == 2 })
	d.await("its delay", func() bool { return observed(d) > 0 })
}

// observed is how many events' delays were counted.
func observed(d *daemonTest) (n uint64) {
	for _, of := range d.Snapshot().Pipeline.Delay.Counts {
		n += of
	}
	return n
}
