package socketio_test

import (
	"testing"

	"chatbridge/socketio"
)

// TestRecoveryOfHalfOpenConnectionIsJudged: somebody else who knows a living
// session's private id gets neither the session nor its end.
func TestRecoveryOfHalfOpenConnectionIsJudged(t *testing.T) {
	asked := make(chan string, 1)
	f := newFixture(t, func(o *socketio.Options) {
		recovering(o)
		o.Recovery.Validate = func(_, _ any, offset string) bool { asked <- offset; return false }
	})
	c, s, got := f.connect("")
	f.ns.Broadcast(event("seen"))
	offset := offsetOf(t, c.WantPrefix(`42["seen","`))
	_, other, ids := f.connect(resume(got, offset))
	if other.Recovered() || ids.SID == got.SID || ids.PID == got.PID {
		t.Fatalf("another one was given the session: %+v", ids)
	}
	select {
	case o := <-asked:
		if o != offset {
			t.Errorf("asked about the offset %q", o)
		}
	default:
		t.Error("nobody was asked")
	}
	_ = s.Emit("still mine")
	c.WantPrefix(`42["still mine"`)
	f.awaitLen(2)
}
