package history_test

import (
	"testing"

	"chatbridge/internal/history"
	"chatbridge/source"
)

// TestReadBack: what is read back from the tables comes at positions at which nothing was
// committed, or none, beside what the stream brings and ahead of it. It is found where
// the server reads back, but a truth that does not say so knows nothing of it, and what
// no table has, or what ends on an older state, is found all the same.
func TestReadBack(t *testing.T) {
	t.Parallel()
	made := func() *scene {
		s := &scene{client: history.History{Client: "client", Workspace: "w1", End: at(70), Drained: true}}
		s.commit(1, "w1", "message a1", "status a1 read", "status a1 failed")
		s.truth.Events[0].Status = "delivered"
		s.truth.ReadBack = true
		s.do(0, history.Connect, "")
		s.receive(1.1, 1)
		return s
	}
	back := func(s *scene, seconds float64, n int, status string) {
		e := s.arrival(seconds, n)
		e.Position.Commit += 1000
		e.Status = status
		s.client.Entries = append(s.client.Entries, e)
	}
	for _, c := range []struct {
		name string
		do   func(s *scene)
		want string
	}{
		{"ahead of the stream", func(s *scene) { back(s, 1.2, 3, "failed"); s.receive(1.3, 2, 3) }, ""},
		{"before the stream", func(s *scene) { back(s, 1.2, 2, "read"); s.receive(1.3, 3) }, ""},
		{"the message again", func(s *scene) { back(s, 1.2, 1, ""); back(s, 1.2, 1, ""); s.receive(1.3, 2, 3) }, ""},
		{"as it was committed", func(s *scene) { back(s, 1.2, 2, "delivered"); s.receive(1.3, 2, 3) }, ""},
		{"by a server that reads nothing back", func(s *scene) { s.truth.ReadBack = false; back(s, 1.2, 3, "failed"); s.receive(1.3, 2, 3) }, "Bounded"},
		{"what no table had", func(s *scene) { back(s, 1.2, 2, "sent"); s.receive(1.3, 2, 3) }, "Bounded"},
		{"an older state in the end", func(s *scene) { s.receive(1.2, 2, 3); back(s, 1.3, 2, "read") }, "Ordered"},
		{"without what was committed", func(s *scene) { back(s, 1.2, 1, ""); s.receive(1.3, 2) }, "Reliable"},
		{"undone, and seen", func(s *scene) {
			s.truth.Events[1].Optional, s.truth.Events[1].Undone = true, true
			s.receive(1.2, 2, 3)
		}, ""},
		{"undone, and not seen", func(s *scene) {
			s.truth.Events[1].Optional, s.truth.Events[1].Undone = true, true
			s.receive(1.2, 3)
		}, ""},
	} {
		s := made()
		c.do(s)
		found := history.NewJudge(&s.truth, bounds()).All(&s.client)
		got := ""
		if len(found) > 0 {
			got = found[0].Validator
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q\n%s", c.name, got, c.want, history.Report(found, 5))
		}
	}
}

// TestAPlaceThatIsUsedAgain: where the log went back, another transaction may be committed at
// a place that clients know. What came before it was committed is the former one.
func TestAPlaceThatIsUsedAgain(t *testing.T) {
	t.Parallel()
	s := &scene{client: history.History{Client: "client", Workspace: "w1", End: at(20)}}
	s.commit(1, "w1", "message a1", "conversation a a1")
	s.commit(2, "w1", "message a2", "conversation a a2")
	for i := range s.truth.Events {
		s.truth.Events[i].Optional, s.truth.Events[i].Undone = true, true
	}
	s.truth.ReadBack = true
	s.commit(30, "w1", "conversation a a3")
	s.truth.Events[4].Position = position(2)
	s.do(0, history.Connect, "")
	s.receive(1.1, 1, 2)
	s.receive(2.1, 3, 4)
	if found := history.NewJudge(&s.truth, bounds()).All(&s.client); len(found) > 0 {
		t.Error("\n" + history.Report(found, 5))
	}
	s.client.End = at(40)
	s.receive(30.1, 5)
	s.receive(31, 4) // the older one after all
	if found := history.NewJudge(&s.truth, bounds()).All(&s.client); len(found) == 0 || found[0].Validator != "Ordered" {
		t.Errorf("an older state in the end: %s", history.Report(found, 5))
	}
}

// TestWrittenAgain: what was undone is often written once more, by who did not know that it
// had been committed. What says the same without a position is that one as soon as it is
// committed, and it is missed where it does not come.
func TestWrittenAgain(t *testing.T) {
	t.Parallel()
	bare := func(s *scene, seconds float64, n int) {
		e := s.arrival(seconds, n)
		e.Position = source.Position{}
		s.client.Entries = append(s.client.Entries, e)
	}
	for _, c := range []struct {
		name string
		do   func(s *scene)
		want string
	}{
		{"it comes once", func(s *scene) { bare(s, 31.1, 3); bare(s, 31.2, 4) }, ""},
		{"it comes from the log and without a position", func(s *scene) { bare(s, 31.1, 3); s.receive(31.2, 3, 4) }, ""},
		{"it does not come", func(s *scene) { s.receive(31.1, 4) }, "Reliable"},
		{"its status does not come", func(s *scene) { bare(s, 31.1, 3) }, "Reliable"},
		{"only the former came", func(s *scene) {
			s.client.Entries = nil
			s.do(0, history.Connect, "")
			bare(s, 1.1, 1)
			bare(s, 2.1, 2)
		}, "Reliable"},
	} {
		s := &scene{client: history.History{Client: "client", Workspace: "w1", End: at(70), Drained: true}}
		s.commit(1, "w1", "message a1")
		s.commit(2, "w1", "status a1 read")
		for i := range s.truth.Events {
			s.truth.Events[i].Optional, s.truth.Events[i].Undone = true, true
		}
		s.truth.ReadBack = true
		s.commit(30, "w1", "message a1", "status a1 read")
		s.do(31, history.Connect, "")
		c.do(s)
		found := history.NewJudge(&s.truth, bounds()).All(&s.client)
		got := ""
		if len(found) > 0 {
			got = found[0].Validator
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q\n%s", c.name, got, c.want, history.Report(found, 5))
		}
	}
}
