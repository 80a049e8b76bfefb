package history_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"chatbridge/internal/history"
	"chatbridge/source"
)

// mutation is a change of the good history that one validator must find, and no
// other.
type mutation struct {
	name, finds string
	change      func(s *scene)
}

// swap exchanges what came at two entries, not when.
func (s *scene) swap(i, j int) {
	e := s.client.Entries
	e[i], e[j] = e[j], e[i]
	e[i].At, e[j].At = e[j].At, e[i].At
}

// lose takes every arrival of a commit away.
func (s *scene) lose(n int) {
	s.client.Entries = slices.DeleteFunc(s.client.Entries, func(e history.Entry) bool {
		return e.Op == history.Receive && e.Position == position(n)
	})
}

// cut ends the recording early.
func (s *scene) cut(seconds float64) {
	s.client.Entries = slices.DeleteFunc(s.client.Entries, func(e history.Entry) bool { return e.At.After(at(seconds)) })
	s.truth.Events = slices.DeleteFunc(s.truth.Events, func(e history.Event) bool { return e.At.After(at(seconds)) })
	s.client.End = at(seconds)
}

// report reports a gap to the client before entry i.
func (s *scene) report(i int, since, until float64, conversation string) {
	s.insert(i, history.Entry{
		At: s.client.Entries[i].At, Op: history.Receive, Kind: history.GapEvent,
		Gap: &history.Gap{Since: at(since), Until: at(until), Conversation: conversation},
	})
}

func (s *scene) announce(since, until float64) {
	s.truth.Announced = append(s.truth.Announced, history.Gap{Since: at(since), Until: at(until)})
}

// restate has a status of the nth commit's message come from the tables just after entry i.
func (s *scene) restate(i, n int, status string) {
	e := s.arrival(0, n)
	e.At, e.Kind, e.Position, e.Status, e.Workspace = s.client.Entries[i].At, history.MessageStatus, source.Position{}, status, ""
	s.insert(i+1, e)
}

// noStatuses leaves out the status of each message that came.
func (s *scene) noStatuses() {
	for i := range s.client.Entries {
		if e := &s.client.Entries[i]; e.Kind == history.Message {
			e.Status = ""
		}
	}
}

// insertAgain has the nth commit come once more, just after entry i.
func (s *scene) insertAgain(i, n int) {
	e := s.arrival(0, n)
	e.At = s.client.Entries[i].At
	s.insert(i+1, e)
}

// subscribeTwice has the client subscribe to b at the end of its first connection, and
// again when its session is restored; then it is caught up with b.
func (s *scene) subscribeTwice(unanswered bool) {
	s.cut(31)
	first := history.Entry{At: at(19.9), Op: history.Subscribe, Conversation: "b", Unanswered: unanswered}
	i := slices.IndexFunc(s.client.Entries, func(e history.Entry) bool { return e.Op == history.Disconnect })
	s.insert(i, first)
	i = s.find(18, 1) + 1
	s.insert(i, history.Entry{At: at(25.2), Op: history.Subscribe, Conversation: "b"})
	for k, n := range []int{4, 6, 12, 17, 18} {
		s.insert(i+1+k, s.arrival(25.3, n))
	}
}

var mutations = []mutation{
	{"a live message is lost", "Reliable", func(s *scene) { s.lose(9) }},
	{"a message of the window is lost at subscribing", "Reliable", func(s *scene) { s.lose(1) }},
	{"a subscription's backlog is lost", "Reliable", func(s *scene) { s.lose(4); s.lose(12) }},
	{"a message after the last unsubscribe is lost", "Reliable", func(s *scene) { s.lose(23) }},
	{"a status is lost", "Reliable", func(s *scene) { s.lose(11) }},
	{"a conversation's newest state is lost", "Reliable", func(s *scene) { s.lose(26) }},
	{"a state that was replaced after catching up is lost", "Reliable", func(s *scene) {
		s.commit(65, "w1", "conversation a a5x", "conversation a a5y")
		s.receive(65.1, 29)
	}},
	{"the end is lost", "Reliable", func(s *scene) { s.client.Entries = s.client.Entries[:len(s.client.Entries)-3] }},
	{"a live one is lost after a recovery", "Reliable", func(s *scene) { s.lose(19) }},
	{"a gap of another time is reported", "Reliable", func(s *scene) { s.report(s.find(11, 1), 2, 11, ""); s.announce(2, 11); s.lose(9) }},
	{"a gap of another conversation is reported", "Reliable", func(s *scene) { s.report(s.find(11, 1), 12, 12, "b"); s.lose(9) }},

	{"an announced gap is not reported", "Honest", func(s *scene) { s.announce(11, 12.5); s.lose(9) }},
	{"a reported gap is in no status", "Honest", func(s *scene) { s.report(s.find(11, 1), 11, 12.5, ""); s.lose(9) }},
	{"a gap ends before it begins", "Honest", func(s *scene) { s.report(s.find(11, 1), 12, 11, "") }},
	{"a gap reaches into the future", "Honest", func(s *scene) { s.report(s.find(11, 1), 12, 19, "") }},
	{"a gap is reported after the client got a CaughtUp", "Honest", func(s *scene) {
		s.do(69, history.CaughtUp, "")
		s.do(69.5, history.Unsubscribe, "none")
		s.report(len(s.client.Entries)-1, 59, 61, "")
		s.announce(59, 61)
		s.lose(25)
	}},

	{"a message is missing after recovery", "Resumable", func(s *scene) { s.cut(31); s.lose(14) }},
	{"a conversation is missing after recovery", "Resumable", func(s *scene) { s.cut(31); s.lose(18) }},
	{"a recovered session gets one twice", "Resumable", func(s *scene) { s.insertAgain(s.find(14, 1), 14) }},
	{"a recovered session gets one from before its offset", "Resumable", func(s *scene) { s.insertAgain(s.find(14, 1), 9) }},
	{"a recovered session is caught up with a conversation that it had", "Resumable", func(s *scene) { s.subscribeTwice(false) }},
	{"a recovered session is caught up twice with a conversation that it may have lacked", "Resumable", func(s *scene) {
		s.subscribeTwice(true)
		s.insertAgain(s.find(18, 2), 18)
	}},
	{"a session is restored from too new an offset", "Resumable", func(s *scene) {
		for i := range s.client.Entries {
			if s.client.Entries[i].Recovered {
				s.client.Entries[i].Offset = position(15)
			}
		}
	}},

	{"two messages of a conversation change places", "Ordered", func(s *scene) { s.swap(s.find(4, 1), s.find(12, 1)) }},
	{"live messages come in the wrong order", "Ordered", func(s *scene) {
		s.commit(65, "w1", "message a6", "message a7")
		s.receive(65.1, 29, 28)
	}},
	{"a stale status comes after the newer", "Ordered", func(s *scene) { s.swap(s.find(3, 2), s.find(11, 1)) }},
	{"a message's first status is read from the tables after a newer one came", "Ordered", func(s *scene) { s.restate(s.find(27, 1), 25, "sent") }},
	{"a message's first status is the last that is read from the tables", "Ordered", func(s *scene) {
		s.restate(s.find(27, 1), 25, "sent")
		s.repeats = -1
	}},
	{"the list ends with an older state", "Ordered", func(s *scene) {
		s.commit(65, "w1", "conversation a a5x", "conversation a a5y")
		s.receive(65.1, 29, 28)
	}},
	{"a message comes after its status and is shown without it", "Ordered", func(s *scene) { s.swap(s.find(25, 1), s.find(27, 1)) }},

	{"an event says another workspace", "Isolated", func(s *scene) { s.client.Entries[s.find(9, 1)].Workspace = "w2" }},
	{"an event of another workspace comes", "Isolated", func(s *scene) {
		s.insertAgain(s.find(9, 1), 7)
		i := s.find(7, 1)
		s.client.Entries[i].Workspace, s.client.Entries[i].Raw = "", nil
	}},
	{"bytes of another workspace come in an event", "Isolated", func(s *scene) { s.client.Entries[s.find(9, 1)].Raw = []byte(`{"x":"of w2"}`) }},

	{"a live message comes twice", "Bounded", func(s *scene) { s.insertAgain(s.find(9, 1), 9) }},
	{"a live status comes twice", "Bounded", func(s *scene) {
		s.commit(65, "w1", "status a5 read")
		s.receive(65.1, 28, 28)
	}},
	{"a server that tries several times repeats too often", "Bounded", func(s *scene) {
		s.insertAgain(s.find(9, 1), 9)
		s.insertAgain(s.find(9, 1), 9)
		s.repeats = 1
	}},
	{"catching up repeats twice", "Bounded", func(s *scene) { s.insertAgain(s.find(3, 2), 3) }},
	{"what nobody committed comes", "Bounded", func(s *scene) {
		s.insertAgain(s.find(9, 1), 9)
		s.client.Entries[s.find(9, 2)].Message = "a0"
	}},
	{"a status comes that the row did not have", "Bounded", func(s *scene) { s.insertAgain(s.find(11, 1), 11); s.client.Entries[s.find(11, 2)].Status = "failed" }},
	{"a status that the row did not have is read from the tables", "Bounded", func(s *scene) { s.restate(s.find(9, 1), 9, "failed") }},
	{"the same, where the client does not note the status of a message", "Bounded", func(s *scene) {
		s.noStatuses()
		s.restate(s.find(9, 1), 9, "failed")
	}},
	{"a message of a conversation that was not asked for comes", "Bounded", func(s *scene) { s.insertAgain(s.find(13, 1), 4) }},
	{"a message of a conversation that was given back comes", "Bounded", func(s *scene) { s.insertAgain(s.find(22, 1), 21) }},
	{"a message comes that was committed just after its conversation was given back", "Bounded", func(s *scene) {
		s.cut(36)
		s.commit(35.5, "w1", "message b9")
		s.receive(35.6, 21)
	}},
	{"an event comes without a connection", "Bounded", func(s *scene) {
		s.insertAgain(s.find(13, 1)+1, 13)
	}},

	{"a live message is late", "Prompt", func(s *scene) { s.delay(s.find(11, 1), 1.5) }},
	{"a subscription's backlog is late", "Prompt", func(s *scene) {
		for n := 17; n <= 18; n++ {
			s.delay(s.find(n, 1+n%2), 1.5)
		}
		s.delay(s.find(12, 1), 1.5)
	}},
}

// delay has what came at an entry come later.
func (s *scene) delay(i int, seconds float64) {
	s.client.Entries[i].At = s.client.Entries[i].At.Add(at(seconds).Sub(noon))
}

func TestEachValidatorFindsWhatIsWrong(t *testing.T) {
	found := map[string]int{}
	for _, m := range mutations {
		t.Run(m.finds+"/"+strings.ReplaceAll(m.name, " ", "_"), func(t *testing.T) {
			s := good()
			m.change(s)
			violations := s.judge()
			if len(violations) == 0 {
				t.Fatal("nothing is found")
			}
			for _, v := range violations {
				if v.Validator != m.finds {
					t.Errorf("found as well: %v", v)
				}
			}
			t.Log("\n" + history.Report(violations, 3))
			found[m.finds]++
		})
	}
	for _, v := range history.Validators() {
		if found[v.Name] < 2 {
			t.Errorf("%s is tested by %d histories", v.Name, found[v.Name])
		}
	}
}

// excused are changes of the good history with which nothing is wrong.
var excused = []struct {
	name   string
	change func(s *scene)
}{
	{"the status with which a message was committed is read from the tables", func(s *scene) { s.restate(s.find(9, 1), 9, "sent") }},
	{"the same, where the client does not note the status of a message", func(s *scene) {
		s.noStatuses()
		s.restate(s.find(9, 1), 9, "sent")
	}},
	{"a server that repeats sends a message's first status from the tables, then the newer one", func(s *scene) {
		s.restate(s.find(27, 1), 25, "sent")
		s.insertAgain(s.find(27, 1)+1, 27)
		s.repeats = -1
	}},
	{"a gap that was announced and reported", func(s *scene) {
		s.report(s.find(11, 1), 11, 12.5, "a")
		s.announce(11, 12.5)
		s.lose(9)
	}},
	{"a subscription that may not have come before the connection ended", func(s *scene) { s.subscribeTwice(true) }},
	{"everything is to be loaded anew", func(s *scene) {
		s.report(s.find(11, 1), 0, 0, "")
		s.client.Entries[s.find(11, 1)-1].Gap.Reload = true
		s.announce(0, 13)
		s.lose(9)
	}},
	{"a client that does not read gets it later", func(s *scene) {
		s.client.Stalled = []history.Span{{at(11), at(13.5)}, {at(13), at(14)}}
		s.delay(s.find(9, 1), 1.9)
		s.delay(s.find(10, 1), 1.9)
		s.delay(s.find(11, 1), 0.9)
	}},
	{"the source stood still", func(s *scene) {
		s.truth.Outages = []history.Span{{at(59), at(65)}}
		for n := 25; n <= 27; n++ {
			s.delay(s.find(n, 1), 5)
		}
	}},
	{"a connection that ended soon", func(s *scene) {
		s.cut(10.5)
		s.do(10.5, history.Disconnect, "")
		s.lose(1)
	}},
	{"what was committed before the window", func(s *scene) {
		for _, n := range []int{1, 2, 3} {
			s.truth.Events[n-1].At = at(-55)
			s.lose(n)
		}
	}},
	{"what the log no longer held", func(s *scene) {
		s.cut(19)
		s.client.Entries[0].Floor, s.client.Entries[1].Floor = position(2), position(2)
		s.lose(1)
		s.lose(2)
	}},
	{"what need not come does not", func(s *scene) {
		s.truth.Events[8].Optional = true
		s.lose(9)
	}},
	{"a server without a past sends none", func(s *scene) {
		s.cut(19)
		s.client.Entries[0].NoPast = true
		for n := 1; n <= 6; n++ {
			s.lose(n)
		}
	}},
	{"a server that tries several times repeats", func(s *scene) { s.insertAgain(s.find(9, 1), 9); s.repeats = 1 }},
	{"a status that was written twice comes in any order", func(s *scene) {
		s.commit(65, "w1", "status a5 read", "status a5 read")
		s.receive(65.1, 29, 28)
	}},
	{"a conversation's last message is newer than its commit", func(s *scene) { s.client.Entries[s.find(10, 1)].Message = "a3" }},
	{"a client that comes late sees the newest states only", func(s *scene) {
		s.client.Entries = slices.DeleteFunc(s.client.Entries, func(e history.Entry) bool { return e.At.Before(at(55.5)) })
	}},
}

func TestExcused(t *testing.T) {
	for _, m := range excused {
		t.Run(strings.ReplaceAll(m.name, " ", "_"), func(t *testing.T) {
			s := good()
			m.change(s)
			if found := s.judge(); len(found) > 0 {
				t.Error("\n" + history.Report(found, 5))
			}
		})
	}
}

func TestOneValidatorAlone(t *testing.T) {
	s := good()
	s.lose(9)
	j := history.NewJudge(&s.truth, bounds())
	if found := j.One("Reliable", &s.client); len(found) != 1 || found[0].Event != 8 || found[0].Client != "client" {
		t.Errorf("Reliable finds %v, want event 8 missing", found)
	}
	if found := j.One("Ordered", &s.client); len(found) != 0 {
		t.Errorf("Ordered finds %v", found)
	}
}

// TestText: what a failed run prints can be read.
func TestText(t *testing.T) {
	s := good()
	s.report(0, 1, 2, "a")
	text := s.client.String()
	for _, line := range []string{
		"client of w1, until 12:01:10.000\n",
		"    0 12:00:10.000 receive gap from 12:00:01.000 until 12:00:02.000, conversation \"a\", reload false\n",
		"    1 12:00:10.000 connect\n",
		"    2 12:00:10.000 subscribe a\n",
		"    4 12:00:10.100 receive messageStatus of a: a1 (delivered) at 0000000000000003-00000001\n",
		" connect, recovered from 000000000000000D-00000001\n",
		" caught up\n",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("no line %q in\n%s", line, text)
		}
	}
}

// TestAwayForLongerThanTheWindow: the window does not reach back to what was
// committed meanwhile; whether that is owed is for the bounds to say.
func TestAwayForLongerThanTheWindow(t *testing.T) {
	s := &scene{client: history.History{Client: "client", Workspace: "w1", End: at(200), Drained: true}}
	s.truth.Announced = []history.Gap{}
	s.do(0, history.Connect, "")
	s.do(0, history.Subscribe, "a")
	s.commit(5, "w1", "message a1")
	s.receive(5.1, 1)
	s.do(10, history.Disconnect, "")
	s.commit(20, "w1", "message a2", "status a1 read")
	s.commit(21, "w1", "message b1")
	s.do(100, history.Connect, "")
	s.do(100, history.Subscribe, "a")
	s.do(101, history.CaughtUp, "")
	if found := s.judge(); len(found) > 0 {
		t.Errorf("where the window is all that is owed:\n%s", history.Report(found, 5))
	}
	b := bounds()
	b.Continuous = true
	judge := func() []history.Violation { return history.NewJudge(&s.truth, b).All(&s.client) }
	if found := judge(); len(found) != 2 || found[0].Validator != "Reliable" || found[0].Event != 1 || found[1].Event != 2 {
		t.Errorf("where everything is owed:\n%s, want the message and the status missing", history.Report(found, 5))
	}
	s.report(5, 5.1, 40, "")
	if found := judge(); len(found) != 2 || found[0].Validator != "Honest" {
		t.Errorf("a gap was reported, the server shows nothing:\n%s", history.Report(found, 5))
	}
	s.announce(5.1, 40)
	if found := judge(); len(found) > 0 {
		t.Errorf("it was reported and announced:\n%s", history.Report(found, 5))
	}
}

// TestSubscribedInTime: a client that subscribes within the grace after connecting is not
// owed the messages of all, also where it is cut off and comes back.
func TestSubscribedInTime(t *testing.T) {
	for _, late := range []bool{false, true} {
		s := &scene{client: history.History{Client: "client", Workspace: "w1", End: at(30), Drained: true}}
		s.truth.Announced = []history.Gap{}
		s.do(0, history.Connect, "")
		s.commit(0.1, "w1", "message b1")
		subscribes := 0.2
		if late {
			subscribes = 5
		}
		s.do(subscribes, history.Subscribe, "a")
		s.do(subscribes+0.1, history.Disconnect, "")
		s.do(7, history.Connect, "")
		s.do(7, history.Subscribe, "a")
		b := bounds()
		b.Continuous = true
		b.Slack = time.Second
		found := history.NewJudge(&s.truth, b).All(&s.client)
		if late && (len(found) != 1 || found[0].Validator != "Reliable") {
			t.Errorf("it saw all for 5 s:\n%s, want the message missing", history.Report(found, 5))
		}
		if !late && len(found) > 0 {
			t.Errorf("it subscribed in time:\n%s", history.Report(found, 5))
		}
	}
}
