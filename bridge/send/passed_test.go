package send_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"chatbridge/bridge/send"
)

// pass passes a text of a user's in w1.
func (s *sending) pass(user, id string) *send.Passed {
	s.t.Helper()
	p := s.Pass(send.Passing{ID: id, Conversation: "w1-a", Content: "Olá", Who: func(context.Context) (string, string, error) {
		if user == "" {
			return "", "", errors.New("nobody's")
		}
		return "w1", user, nil
	}})
	if p == nil {
		s.t.Fatal("not taken")
	}
	return p
}

func awaitDone(t *testing.T, p *send.Passed) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !p.Done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not end")
		}
	}
}

// TestATextThatWasPassed: with which the chat server dies is told as failed once the stream
// has told of all that is stored, and not if that has its row; and then it is not sent again.
func TestATextThatWasPassed(t *testing.T) {
	t.Parallel()
	var fresh atomic.Bool
	s := start(t, nil, func(o *send.Options) {
		o.Timeout = 2 * time.Second // also for one whose client has left
		o.Fresh = func(time.Time) bool { return fresh.Load() }
	})
	cut, stored, late := s.pass("ana", "opt_cut"), s.pass("ana", "opt_stored"), s.pass("ana", "opt_late")
	for _, p := range []*send.Passed{cut, stored, late} {
		p.Cut(false)
	}
	s.Observe(row("r1", "opt_stored", "sent"))
	awaitDone(t, stored)
	if cut.Done() || len(s.Failures("w1", "bob")) > 0 {
		t.Error("told before the stream has told of all")
	}
	fresh.Store(true)
	awaitDone(t, cut)
	awaitDone(t, late)
	wantTold(t, s.screen.of("opt_cut"), "messageStatus failed")
	wantTold(t, s.screen.of("opt_stored"))
	if told := s.Failures("w1", "bob"); len(told) != 2 {
		t.Errorf("whoever connects is told %+v", told)
	}
	s.Observe(row("r2", "opt_late", "sent"))
	if told := s.Failures("w1", "bob"); len(told) != 1 {
		t.Errorf("with its row: whoever connects is told %+v", told)
	}
	// To the bridge, under the same id.
	if _, code := s.send(text("opt_cut", "Olá")); code != send.CodeUnknown {
		t.Errorf("again: %q", code)
	}
	if result, code := s.send(text("opt_stored", "Olá")); code != "" || result.RowID != "r1" {
		t.Errorf("again: %+v, %q", result, code)
	}
	// What the chat server has told, whoever was away is told.
	failed, sent, left := s.pass("ana", "opt_failed"), s.pass("ana", "opt_sent"), s.pass("ana", "opt_left")
	failed.End(send.Failed)
	sent.End(send.Sent)
	left.Cut(true)
	for _, p := range []*send.Passed{failed, sent, left} {
		awaitDone(t, p)
	}
	if told := s.Failures("w1", "ana"); len(told) != 3 {
		t.Errorf("whoever connects is told %+v", told)
	}
	if result, code := s.send(text("opt_sent", "Olá")); code != "" || result.Status != send.Sent {
		t.Errorf("again: %+v, %q", result, code)
	}
	s.Observe(row("r9", "opt_9", "pending")) // the CRM has called the function itself
	if id := s.ClientID("w1", "r9"); id != "opt_9" {
		t.Errorf("the client's id of a row of the CRM's is %q", id)
	}
	if id, none := s.ClientID("w1", "r1"), s.ClientID("w2", "r1"); id != "opt_stored" || none != "" {
		t.Errorf("the row's client's id is %q, and %q in another workspace", id, none)
	}
	if n := len(s.function.Calls()); n > 0 {
		t.Errorf("the function was called %d times", n)
	}
	if result, code := s.send(text("opt_failed", "Olá")); code != "" || result.Status != send.Sent {
		t.Errorf("again, of what was told as failed: %+v, %q", result, code)
	}
}

// TestATextThatWasPassedIsKnownAfterAKill, and nobody is told of one that is nobody's, or of
// another user's.
func TestATextThatWasPassedIsKnownAfterAKill(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	s.pass("ana", "opt_1")
	for !s.Noted("opt_1") {
		time.Sleep(time.Millisecond) // until it is on the disk
	}
	others, nobodys := s.pass("eve", "opt_1"), s.pass("", "opt_2")
	awaitDone(t, others)
	awaitDone(t, nobodys)
	if told := s.Failures("w1", "eve"); len(told) != 0 {
		t.Errorf("told %+v", told)
	}
	copied := copyFile(t, s.file)
	s.stop()
	s.file = copied
	s.begin()
	if told := s.Failures("w1", "bob"); len(told) != 1 {
		t.Errorf("whoever connects is told %+v", told)
	}
	s.Observe(row("r1", "opt_1", "sent"))
	s.stop() // waits until that is written down
	s.begin()
	if id := s.ClientID("w1", "r1"); id != "opt_1" {
		t.Errorf("the row's client's id is %q", id)
	}
}

// TestARefusalIsToldAgain to its user, whose socket may have been on its way elsewhere.
func TestARefusalIsToldAgain(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	r := text("opt_1", "Olá")
	r.Conversation = "w2-a"
	if _, code := s.send(r); code != send.CodeConversation {
		t.Fatalf("%q", code)
	}
	if told := s.Failures("w1", "ana"); len(told) != 1 {
		t.Errorf("its user is told %+v", told)
	}
	if told := s.Failures("w1", "bob"); len(told) != 0 {
		t.Errorf("another is told %+v", told)
	}
	if _, code := s.send(text("opt_1", "Olá")); code != "" {
		t.Errorf("tried again: %q", code)
	}
	if told := s.Failures("w1", "ana"); len(told) != 0 {
		t.Errorf("tried again: its user is told %+v", told)
	}
}
