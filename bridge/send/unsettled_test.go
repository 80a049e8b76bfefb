package send_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"chatbridge/bridge/send"
	"chatbridge/internal/functiondouble"
	"chatbridge/mapping/contract"
)

// TestUnsettled: a text is named while it is on its way, by its client's id and its row's,
// and until its row has told what became of it; of the others' workspace nothing.
func TestUnsettled(t *testing.T) {
	t.Parallel()
	s := start(t, func(functiondouble.Call) functiondouble.Way { return functiondouble.Waits })
	want := func(when string, ids ...string) {
		t.Helper()
		got := s.Unsettled("w1")
		slices.Sort(got)
		if !slices.Equal(got, ids) {
			t.Errorf("%s: %q, want %q", when, got, ids)
		}
		if others := s.Unsettled("w2"); len(others) > 0 {
			t.Errorf("%s: of another workspace: %q", when, others)
		}
	}
	want("at first")
	sending := s.Accept(text("opt_1", "Olá"))
	s.function.Await(t, 1)
	want("on its way", "opt_1")
	s.Observe(row("r1", "opt_1", "pending"))
	want("with its row", "opt_1", "r1")
	s.function.Release()
	<-sending.Done()
	want("answered, and its row is pending", "opt_1", "r1")
	s.Observe(row("r9", "opt_9", "pending")) // the CRM has called the function itself
	want("another's", "opt_1", "opt_9", "r1", "r9")
	passed := s.pass("ana", "opt_5")
	s.Observe(row("r5", "opt_5", "pending")) // ChatEngine tells of it
	passed.End(send.Sent)
	awaitDone(t, passed)
	want("passed", "opt_1", "opt_9", "r1", "r9")
}

// TestSettled: for how long a text is named after its end here.
func TestSettled(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		what    string
		outcome send.Outcome
		rows    []string // the row's statuses, after the answer
		named   time.Duration
	}{
		{"its row has told", send.Outcome{Status: send.Sent}, []string{"pending", "sent"}, 5 * time.Second},
		{"its row is to follow", send.Outcome{Status: send.Sent}, nil, time.Minute},
		{"a worker has it", send.Outcome{Status: send.Pending}, []string{"pending"}, time.Hour},
		{"a worker had it", send.Outcome{Status: send.Pending}, []string{"pending", "failed"}, 5 * time.Second},
		{"it was not sent", send.Outcome{Status: send.Failed, Fault: &send.Fault{Code: send.CodeFailed}}, nil, 5 * time.Second},
		{"its outcome is unknown", send.Outcome{Status: send.Failed, Fault: &send.Fault{Code: send.CodeUnknown}}, nil, 10 * time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			u := send.NewUnsettled("w1", "opt_1")
			time.Sleep(time.Hour)
			if len(u.Of("w1")) != 1 {
				t.Errorf("%s: not named while it is on its way", tt.what)
			}
			u.End("w1", "opt_1", tt.outcome)
			for i, status := range tt.rows {
				ev := &contract.Event{Kind: contract.MessageStatus, Workspace: []byte("w1"), Key: []byte("r1"), Status: []byte(status)}
				if id := ""; i == 0 {
					id, ev.Kind = "opt_1", contract.Message
					u.Observe(ev, id)
					continue
				}
				u.Observe(ev, "")
			}
			time.Sleep(tt.named - time.Millisecond)
			if len(u.Of("w1")) == 0 {
				t.Errorf("%s: forgotten before %v", tt.what, tt.named)
			}
			time.Sleep(2 * time.Millisecond)
			if got := u.Of("w1"); len(got) > 0 {
				t.Errorf("%s: %q is named after %v", tt.what, got, tt.named)
			}
		})
	}
}

// TestUnsettledAfterAKill: what was on its way when the bridge was killed, whose row may
// come, or change, yet.
func TestUnsettledAfterAKill(t *testing.T) {
	t.Parallel()
	s := start(t, func(functiondouble.Call) functiondouble.Way { return functiondouble.Hangs })
	for _, id := range []string{"opt_1", "opt_2"} {
		r := text(id, "Olá")
		r.Conversation = "w1-" + id
		s.Accept(r)
	}
	s.function.Await(t, 2)
	s.Observe(row("r1", "opt_1", "pending"))
	for s.NotedRow("opt_1") == "" {
		time.Sleep(time.Millisecond) // until it is on the disk
	}
	copied := copyFile(t, s.file)
	s.stop()
	s.file = copied
	s.begin()
	got := s.Unsettled("w1")
	slices.Sort(got)
	if want := []string{"opt_1", "opt_2", "r1"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
