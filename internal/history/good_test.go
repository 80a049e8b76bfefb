package history_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"chatbridge/internal/history"
	"chatbridge/source"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// at is so many seconds after noon.
func at(seconds float64) time.Time {
	return noon.Add(time.Duration(seconds * float64(time.Second)))
}

// bounds of a server whose clock is the clients'.
func bounds() history.Bounds {
	return history.Bounds{Window: time.Minute, Prompt: time.Second, Grace: 300 * time.Millisecond, CatchUp: 2 * time.Second}
}

// position is that of the nth commit.
func position(n int) source.Position { return source.Position{Commit: uint64(n), Index: 1} }

// scene is a truth and one client's history, written down side by side.
type scene struct {
	truth   history.Truth
	client  history.History
	repeats int
}

// commit adds to the truth; its event is named by kind and message or status,
// such as "message a1", "conversation a a1", "status a1 read".
func (s *scene) commit(seconds float64, workspace string, names ...string) {
	for _, name := range names {
		word := strings.Fields(name)
		ev := history.Event{Position: position(len(s.truth.Events) + 1), Workspace: workspace, At: at(seconds)}
		ev.Conversation, ev.Message = word[1][:1], word[1]
		switch word[0] {
		case "message":
			ev.Kind, ev.Status = history.Message, "sent"
		case "conversation":
			ev.Kind, ev.Message = history.Conversation, word[2]
		case "status":
			ev.Kind, ev.Status = history.MessageStatus, word[2]
		}
		s.truth.Events = append(s.truth.Events, ev)
	}
}

func (s *scene) do(seconds float64, op history.Op, conversation string) {
	s.client.Entries = append(s.client.Entries, history.Entry{At: at(seconds), Op: op, Conversation: conversation})
}

// receive adds the events of the nth commits.
func (s *scene) receive(seconds float64, commits ...int) {
	for _, n := range commits {
		s.client.Entries = append(s.client.Entries, s.arrival(seconds, n))
	}
}

func (s *scene) arrival(seconds float64, n int) history.Entry {
	ev := s.truth.Events[n-1]
	e := history.Entry{
		At: at(seconds), Op: history.Receive, Kind: ev.Kind, Position: ev.Position,
		Conversation: ev.Conversation, Message: ev.Message, Status: ev.Status, Raw: []byte("of " + ev.Workspace),
	}
	if ev.Kind != history.MessageStatus {
		e.Workspace = ev.Workspace
	}
	return e
}

// good has a bit of everything, and nothing wrong.
func good() *scene {
	s := &scene{client: history.History{Client: "client", Workspace: "w1", End: at(70), Drained: true}}
	s.truth.Marks = map[string][]string{"w1": {"of w1"}, "w2": {"of w2"}}
	s.truth.Announced = []history.Gap{}
	s.commit(0, "w1", "message a1", "conversation a a1")                   // 1 2
	s.commit(1, "w1", "status a1 delivered")                               // 3
	s.commit(2, "w1", "message b1", "conversation b b1", "status b1 read") // 4 5 6
	s.commit(3, "w2", "message x1", "conversation x x1")                   // 7 8
	s.do(10, history.Connect, "")
	s.do(10, history.Subscribe, "a")
	s.receive(10.1, 2, 3, 5, 6)                           // the newest of each
	s.receive(10.2, 1, 2, 3)                              // what was subscribed
	s.commit(12, "w1", "message a2", "conversation a a2") // 9 10
	s.receive(12.1, 9, 10)
	s.commit(13, "w1", "status a1 read") // 11
	s.receive(13.1, 11)
	s.commit(14, "w1", "message b2", "conversation b b2") // 12 13
	s.receive(14.1, 13)
	s.do(20, history.Disconnect, "")
	s.commit(21, "w1", "message a3", "conversation a a3", "status a2 delivered") // 14 15 16
	s.commit(22, "w1", "message b3", "conversation b b3")                        // 17 18
	s.do(25, history.Connect, "")
	s.client.Entries[len(s.client.Entries)-1].Recovered = true
	s.client.Entries[len(s.client.Entries)-1].Offset = position(13)
	s.receive(25.1, 14, 15, 16, 18)
	s.commit(30, "w1", "message a4", "conversation a a4") // 19 20
	s.receive(30.1, 19, 20)
	s.do(32, history.Subscribe, "b")
	s.receive(32.1, 4, 6, 12, 17, 18)
	s.do(35, history.Unsubscribe, "b")
	s.commit(40, "w1", "message b4", "conversation b b4") // 21 22
	s.receive(40.1, 22)
	s.do(45, history.Unsubscribe, "a")
	s.commit(50, "w1", "message b5", "conversation b b5") // 23 24
	s.receive(50.1, 23, 24)
	s.do(55, history.Disconnect, "")
	s.do(56, history.Connect, "")
	s.receive(56.1, 11, 6, 16, 20, 24)
	s.receive(56.5, 1, 4, 6, 9, 12, 11, 14, 16, 17, 19, 21, 23)
	s.do(57, history.CaughtUp, "")
	s.commit(60, "w1", "message a5", "conversation a a5", "status a5 delivered") // 25 26 27
	s.receive(60.1, 25, 26, 27)
	return s
}

// find is the entry at which the nth commit came, for the given time.
func (s *scene) find(n, time int) int {
	for i, e := range s.client.Entries {
		if e.Op == history.Receive && e.Position == position(n) {
			if time--; time == 0 {
				return i
			}
		}
	}
	panic("it did not come so often")
}

// insert puts an entry before the ith.
func (s *scene) insert(i int, e history.Entry) {
	s.client.Entries = slices.Insert(s.client.Entries, i, e)
}

func (s *scene) judge() []history.Violation {
	b := bounds()
	b.Repeats = s.repeats
	return history.NewJudge(&s.truth, b).All(&s.client)
}

func TestGoodHistory(t *testing.T) {
	if found := good().judge(); len(found) > 0 {
		t.Error("\n" + history.Report(found, 20))
	}
}

// TestGoodHistoryWithoutPositions: events of a server that sends no offsets, and
// a truth that knows only the order.
func TestGoodHistoryWithoutPositions(t *testing.T) {
	for name, bare := range map[string]func(s *scene){
		"events": func(s *scene) {
			for i := range s.client.Entries {
				s.client.Entries[i].Position = source.Position{}
			}
		},
		"truth": func(s *scene) {
			for i := range s.truth.Events {
				s.truth.Events[i].Position = source.Position{}
			}
			s.client.Entries = slices.DeleteFunc(s.client.Entries, func(e history.Entry) bool { return e.At.After(at(20)) })
			s.truth.Events = slices.DeleteFunc(s.truth.Events, func(e history.Event) bool { return e.At.After(at(20)) })
			s.client.End = at(20)
		},
	} {
		s := good()
		bare(s)
		if found := s.judge(); len(found) > 0 {
			t.Errorf("without positions in the %s:\n%s", name, history.Report(found, 20))
		}
	}
}
