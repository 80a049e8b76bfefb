package hub_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chatbridge/bridge/hub"
	"chatbridge/bridge/replay"
	"chatbridge/internal/history"
	"chatbridge/source"
)

// away lets clients of ws0 leave, the conversations a and b go on, and the log forget.
func (m *model) away(c *modelClient) (left time.Time) {
	c.connect()
	synctest.Wait()
	m.burst("a", 3)
	synctest.Wait()
	c.cut()
	left = time.Now()
	time.Sleep(time.Second)
	m.burst("a", 3)
	m.burst("b", 2)
	m.commit++
	m.publish("ws0", history.Conversation, "b", "u1", "", 0)
	time.Sleep(time.Minute)
	m.burst("a", 1) // in the window
	return left
}

// kinds are the events that a client got since it connected last, without repetition.
func (c *modelClient) since() (events []history.Entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.h.Entries {
		switch e.Op {
		case history.Connect:
			events = nil
		case history.Receive:
			events = append(events, e)
		}
	}
	return events
}

// TestAwayIsMadeUpFor: a client that was away for longer than the log holds gets what
// it missed from the tables, whether its session is known or not, and is told of no
// gap. All of it comes before what the log has.
func TestAwayIsMadeUpFor(t *testing.T) {
	for _, known := range []bool{true, false} {
		tables := &fakeTables{takes: 50 * time.Millisecond}
		world(t, program{replay: large, tables: tables}, 1, func(m *model) {
			c := m.clients[0]
			c.subscribe("a")
			c.subscribe("b")
			left := m.away(c)
			if !known {
				c.prior = nil
			}
			c.connect()
			synctest.Wait()
			time.Sleep(time.Second)
			synctest.Wait()
			wantCount(t, "messages of a", len(c.messages("a")), 7)
			wantCount(t, "messages of b", len(c.messages("b")), 2)
			wantCount(t, "gaps", len(c.toldOf()), 0)
			offset := slices.IndexFunc(c.since(), func(e history.Entry) bool { return !e.Position.IsZero() })
			for i, e := range c.since() {
				if e.Conversation == "b" && (offset >= 0 && i > offset) {
					t.Errorf("%v of the tables came after the log", e)
				}
			}
			for _, ask := range tables.asked {
				if ask.Workspace != "ws0" {
					t.Errorf("asked for the workspace %q", ask.Workspace)
				}
				for conversation, since := range ask.Of {
					if since.After(left) {
						t.Errorf("asked for %s since %v, and the client left at %v", conversation, since, left)
					}
				}
			}
			// It is live and gets what comes.
			m.burst("b", 1)
			synctest.Wait()
			wantCount(t, "messages of b", len(c.messages("b")), 3)
			s := m.hub.Stats()
			_, gaps := s.ByReason()
			wantCount(t, "counted gaps", int(gaps["away"]), 0)
			if s.FarHealed == 0 || s.FarPackets == 0 || s.FarFailed != 0 {
				t.Errorf("counted %d healed, %d packets, %d failed", s.FarHealed, s.FarPackets, s.FarFailed)
			}
		})
	}
}

// TestAwayWithoutSubscriptions: it gets the messages of all conversations.
func TestAwayWithoutSubscriptions(t *testing.T) {
	tables := &fakeTables{}
	world(t, program{replay: large, tables: tables}, 1, func(m *model) {
		c := m.clients[0]
		m.away(c)
		c.connect()
		time.Sleep(time.Second)
		synctest.Wait()
		wantCount(t, "messages of a", len(c.messages("a")), 7)
		wantCount(t, "messages of b", len(c.messages("b")), 2)
		wantCount(t, "gaps", len(c.toldOf()), 0)
		wantCount(t, "readings", len(tables.asked), 1)
	})
}

// TestTablesAway: where they cannot be read the client is told of the gap, once, and
// gets what the log has.
func TestTablesAway(t *testing.T) {
	tables := &fakeTables{fails: func(int) bool { return true }}
	world(t, program{replay: large, tables: tables}, 1, func(m *model) {
		c := m.clients[0]
		c.subscribe("a")
		left := m.away(c)
		c.connect()
		time.Sleep(time.Second)
		synctest.Wait()
		gaps := c.toldOf()
		if len(gaps) != 1 || gaps[0].Since.After(left) || gaps[0].Until.Before(left.Add(time.Second)) || gaps[0].Conversation != "" {
			t.Errorf("told of %+v", gaps)
		}
		s := m.hub.Stats()
		_, counted := s.ByReason()
		wantCount(t, "counted gaps", int(counted["away"]), 1)
		wantCount(t, "counted failures", int(s.FarFailed), 1)
	})
}

// TestTooMuchMissed: the newest is sent, and the client is told of the rest, also of
// what is longer ago than the limit.
func TestTooMuchMissed(t *testing.T) {
	tables := &fakeTables{rows: 2}
	world(t, program{replay: large, tables: tables}, 1, func(m *model) {
		c := m.clients[0]
		c.subscribe("a")
		left := m.away(c)
		c.connect()
		time.Sleep(time.Second)
		synctest.Wait()
		got := c.messages("a") // three before, two of the tables, one of the log
		wantCount(t, "messages", len(got), 6)
		gaps := c.toldOf()
		if len(gaps) != 1 || gaps[0].Since.After(left) || gaps[0].Until.Before(left.Add(time.Second)) {
			t.Errorf("told of %+v", gaps)
		}
		c.cut()
		c.prior = nil
		left = time.Now()
		time.Sleep(30 * time.Hour)
		m.burst("a", 1)
		time.Sleep(time.Minute)
		m.burst("a", 1)
		before := len(c.toldOf())
		c.connect()
		time.Sleep(time.Second)
		synctest.Wait()
		told := c.toldOf()[before:]
		if len(told) != 1 || told[0].Since.After(left) || told[0].Until.Before(left.Add(5*time.Hour)) || told[0].Until.After(left.Add(8*time.Hour)) {
			t.Errorf("away for 30 h with a limit of 24 h: left at %v, told of %+v", left, told)
		}
		wantCount(t, "messages", len(c.messages("a")), len(got)+2)
	})
}

// TestLeavesWhileHealed: the reading ends, and the next connection begins it again.
func TestLeavesWhileHealed(t *testing.T) {
	tables := &fakeTables{takes: time.Hour}
	world(t, program{replay: large, tables: tables}, 1, func(m *model) {
		c := m.clients[0]
		c.subscribe("a")
		m.away(c)
		c.connect()
		time.Sleep(time.Second)
		wantCount(t, "being caught up", m.hub.Stats().Catching, 1)
		c.cut()
		synctest.Wait()
		wantCount(t, "being caught up", m.hub.Stats().Catching, 0)
		tables.takes = 0
		c.connect()
		time.Sleep(time.Second)
		synctest.Wait()
		wantCount(t, "messages of a", len(c.messages("a")), 7)
		wantCount(t, "gaps", len(c.toldOf()), 0)
	})
}

// TestFallsOutOfTheLog: a client that reads more slowly than the log is pushed out gets
// what it lacks from the tables, and in the end is told if that happens over and over.
func TestFallsOutOfTheLog(t *testing.T) {
	small := replay.Options{Window: modelWindow, MaxEvents: 60, MaxBytes: 1 << 30}
	tables := &fakeTables{}
	world(t, program{replay: small, maxPackets: 4, maxBytes: 1 << 20, tables: tables}, 1, func(m *model) {
		c := m.clients[0]
		c.subscribe("a")
		c.connect()
		synctest.Wait()
		m.burst("a", 2)
		synctest.Wait()
		c.stall(5 * time.Second)
		time.Sleep(600 * time.Millisecond)
		m.burst("a", 4)
		time.Sleep(time.Second)
		m.burst("a", 200)
		time.Sleep(time.Minute)
		synctest.Wait()
		wantCount(t, "messages", len(c.messages("a")), 206)
		wantCount(t, "gaps", len(c.toldOf()), 0)
		if s := m.hub.Stats(); s.FarHealed == 0 {
			t.Error("nothing was read from the tables")
		}
		// Overtaken while it is healed, each time.
		tables.takes = 500 * time.Millisecond
		c.stall(3 * time.Second)
		m.burst("a", 200)
		asked := len(tables.asked)
		for range 100 {
			time.Sleep(100 * time.Millisecond)
			m.burst("a", 100)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		t.Logf("%d readings, %d gaps", len(tables.asked)-asked, len(c.toldOf()))
		if n := len(tables.asked) - asked; n > 40 {
			t.Errorf("%d readings", n)
		}
		m.commit++
		m.publish("ws0", history.Message, "a", "last", "sent", 0)
		synctest.Wait()
		if !slices.Contains(c.messages("a"), "last") {
			t.Error("the client is not live in the end")
		}
	})
}

// TestAwayWhileTheLogHadAHole: what was committed after the last event of a log that was
// emptied, or of another process, and before the first one of the log that there is, is in
// no log. Who was away meanwhile gets it from the tables.
func TestAwayWhileTheLogHadAHole(t *testing.T) {
	for name, empty := range map[string]func(m *model){
		"emptied": func(m *model) { m.hub.Rejoin() },
		"another process": func(m *model) {
			m.stop()
			m.start(m.t)
			m.clients[0].prior = nil
		},
	} {
		world(t, program{replay: large, tables: &fakeTables{}}, 1, func(m *model) {
			c := m.clients[0]
			c.subscribe("a")
			c.connect()
			synctest.Wait()
			m.burst("a", 3)
			synctest.Wait()
			c.cut()
			empty(m)
			for range 10 { // elsewhere
				time.Sleep(time.Minute)
				m.commit++
				m.truth.Events = append(m.truth.Events, history.Event{
					Position: source.Position{Commit: m.commit, Index: 1}, Kind: history.Message, Workspace: "ws0",
					Conversation: "a", Message: m.id("a"), Status: "sent", At: time.Now(),
				})
			}
			m.burst("a", 1)
			c.connect()
			time.Sleep(time.Second)
			synctest.Wait()
			if n, told := len(c.messages("a")), c.toldOf(); n != 14 || len(told) != 0 {
				t.Errorf("%s: %d messages, told of %v; want 14 messages", name, n, told)
			}
		})
	}
}

// TestEvictedOfAClockAhead: where the database's clock is ahead of this process's, an
// offset's time does not make what was evicted older than what its client is owed.
func TestEvictedOfAClockAhead(t *testing.T) {
	for _, ahead := range []time.Duration{0, 3 * time.Second, 30 * time.Second} {
		small := replay.Options{Window: modelWindow, MaxEvents: 20, MaxBytes: 1 << 30}
		world(t, program{replay: small}, 1, func(m *model) {
			c := m.clients[0]
			c.connect()
			time.Sleep(time.Second)
			m.burst("a", 3)
			synctest.Wait()
			c.cut()
			o, err := hub.ParseOffset(c.offset)
			if err != nil {
				t.Fatal(err)
			}
			o.Commit = o.Commit.Add(ahead)
			c.offset, c.prior, c.session, c.owed = string(hub.AppendOffset(nil, o)), nil, time.Time{}, ""
			m.burst("a", 3)
			time.Sleep(modelWindow + replay.Slack/2) // the log has it still
			m.burst("a", 14)
			c.connect()
			m.burst("a", 6) // which evicts what it missed
			c.subscribe("a")
			time.Sleep(time.Second)
			synctest.Wait()
			if n := len(c.messages("a")); n != 3+20 || len(c.toldOf()) != 1 {
				t.Errorf("%v ahead: %d messages, told of %v", ahead, n, c.toldOf())
			}
		})
	}
}

// TestSubscribesWhileHealed: what a client subscribes to while the tables are read is
// read from them too.
func TestSubscribesWhileHealed(t *testing.T) {
	tables := &fakeTables{takes: 100 * time.Millisecond}
	world(t, program{replay: large, tables: tables}, 1, func(m *model) {
		c := m.clients[0]
		c.subscribe("a")
		m.away(c)
		c.connect()
		time.Sleep(50 * time.Millisecond)
		c.subscribe("b")
		time.Sleep(time.Second)
		synctest.Wait()
		wantCount(t, "messages of a", len(c.messages("a")), 7)
		wantCount(t, "messages of b", len(c.messages("b")), 2)
		wantCount(t, "gaps", len(c.toldOf()), 0)
		wantCount(t, "readings", len(tables.asked), 2)
	})
}

// TestHealedNeverGoesBack: what was read of the tables for others may be sent to a client,
// but no older states than it has been given, by the log or live, before it was known what
// it lacks.
func TestHealedNeverGoesBack(t *testing.T) {
	tables := &fakeTables{shared: true}
	world(t, program{replay: large, tables: tables}, 1, func(m *model) {
		c := m.clients[0]
		c.subscribe("a")
		m.away(c)
		m.commit++
		m.publish("ws0", history.Message, "b", "new", "sent", 0)
		m.commit++
		m.publish("ws0", history.Conversation, "b", "new", "", 0)
		status := func(status string) {
			time.Sleep(200 * time.Millisecond)
			m.commit++
			m.publish("ws0", history.MessageStatus, "b", "new", status, 0)
			time.Sleep(200 * time.Millisecond)
			synctest.Wait()
		}
		status("delivered")
		time.Sleep(time.Minute)
		m.burst("a", 1) // the log does not have that any more
		c.connect()
		status("failed")
		c.subscribe("b")
		time.Sleep(time.Second)
		synctest.Wait()
		wantCount(t, "readings", len(tables.asked), 2)
		var got []string
		for _, e := range c.since() {
			if e.Kind == history.MessageStatus && (len(got) == 0 || got[len(got)-1] != e.Status) {
				got = append(got, e.Status)
			}
		}
		if !slices.Equal(got, []string{"delivered", "failed"}) {
			t.Errorf("the status went %v", got)
		}
		wantCount(t, "messages of b", len(c.messages("b")), 3)
		wantCount(t, "gaps", len(c.toldOf()), 0)
		if !tables.asked[0].Fresh.IsZero() {
			t.Error("a client that has been given nothing is not sent what was read for others")
		}
	})
}

// TestAwayWithTheLogInPart: a client lacks nothing of what it is not told, whatever of
// its absence the log still has, however long ago that began, and whenever the client
// subscribes.
func TestAwayWithTheLogInPart(t *testing.T) {
	subscribes := map[string]time.Duration{"never": -1, "at once": 0, "during the reading": 150 * time.Millisecond, "after it": 2 * time.Second}
	quiet := map[string][2]time.Duration{"none": {20 * time.Second, 20 * time.Second}, "part": {20 * time.Second, 0}, "all": {50 * time.Second, 0}}
	for when, after := range subscribes {
		for holds, quiet := range quiet {
			for _, limit := range []time.Duration{24 * time.Hour, 30 * time.Second} {
				for _, known := range []bool{true, false} {
					name := fmt.Sprintf("subscribes %s, log has %s, limit %v, session known %v", when, holds, limit, known)
					p := program{replay: large, grace: 100 * time.Millisecond, tables: &fakeTables{takes: 200 * time.Millisecond}, far: limit}
					world(t, p, 1, func(m *model) { m.awayInPart(t, name, after, quiet, holds == "all", known) })
				}
			}
		}
	}
}

func (m *model) awayInPart(t *testing.T, name string, after time.Duration, quiet [2]time.Duration, short, known bool) {
	c := m.clients[0]
	if after >= 0 {
		c.subscribe("a")
	}
	c.connect()
	synctest.Wait()
	m.burst("a", 3)
	synctest.Wait()
	c.cut()
	if !known {
		c.prior = nil
	}
	time.Sleep(quiet[0])
	for range 5 {
		m.burst("a", 4)
		m.burst("b", 4)
		if !short {
			time.Sleep(5 * time.Second)
		}
	}
	time.Sleep(quiet[1])
	if after > 0 {
		delete(c.wanted, "a")
	}
	c.connect()
	if after > 0 {
		time.Sleep(after)
		c.subscribe("a")
	}
	time.Sleep(5 * time.Second)
	synctest.Wait()
	got, told := c.messages("a"), c.toldOf()
	for _, ev := range m.truth.Events {
		if ev.Kind == history.Message && ev.Conversation == "a" && !slices.Contains(got, ev.Message) &&
			!slices.ContainsFunc(told, func(g history.Gap) bool { return !ev.At.Before(g.Since) && !ev.At.After(g.Until) }) {
			t.Errorf("%s: lacks %s of %v, told of %v", name, ev.Message, ev.At, told)
			return
		}
	}
}

// TestToldBeforeWhatFollows: a client is told of a gap before it is sent what came after
// it, be it too much or too long ago, and gets the oldest first.
func TestToldBeforeWhatFollows(t *testing.T) {
	for _, p := range []program{
		{replay: large, tables: &fakeTables{rows: 2}},
		{replay: large, tables: &fakeTables{}, far: 30 * time.Second},
	} {
		world(t, p, 1, func(m *model) {
			c := m.clients[0]
			c.subscribe("a")
			m.away(c)
			m.burst("a", 1)
			time.Sleep(20 * time.Second)
			c.connect()
			time.Sleep(time.Second)
			synctest.Wait()
			var got []string
			for _, e := range c.since() {
				if kind := string(e.Kind); kind == "conversation" || len(got) == 0 || kind != got[len(got)-1] {
					got = append(got, kind)
				}
			}
			if len(got) == 0 || got[0] != string(history.GapEvent) || slices.Contains(got[1:], string(history.GapEvent)) {
				t.Errorf("rows %d, limit %v: got %v", p.tables.rows, p.far, got)
			}
			var messages []string
			for _, e := range c.since() {
				if e.Kind == history.Message {
					messages = append(messages, e.Message)
				}
			}
			if len(messages) < 2 || !slices.IsSorted(messages) {
				t.Errorf("rows %d, limit %v: got %v", p.tables.rows, p.far, messages)
			}
		})
	}
}

// TestImpossibleOffset: a client whose offset is of no event that there can have been is
// told that it may lack anything, or, where its session tells since when, gets all of
// that. An offset that another process may have reached is believed.
func TestImpossibleOffset(t *testing.T) {
	far := source.Position{Commit: math.MaxUint64, Index: math.MaxUint32}
	for name, o := range map[string]func(now time.Time) string{
		"in the future": func(time.Time) string { return strings.Repeat("F", 16) + "-FFFFFFFF-" + strings.Repeat("F", 12) },
		"of an old event's time": func(now time.Time) string {
			return string(hub.AppendOffset(nil, hub.Offset{Position: far, Commit: now.Add(-time.Hour)}))
		},
		"without a time": func(time.Time) string { return strings.Repeat("F", 16) + "-FFFFFFFF" },
		"no offset":      func(time.Time) string { return "whatever" },
	} {
		for _, session := range []bool{false, true} {
			world(t, program{replay: large, tables: &fakeTables{}}, 1, func(m *model) {
				c := m.clients[0]
				c.subscribe("a")
				if m.away(c); !session {
					c.session = time.Time{}
				}
				c.offset, c.owed, c.prior = o(time.Now()), "", nil
				c.connect()
				time.Sleep(time.Second)
				synctest.Wait()
				told := c.toldOf()
				if session && (len(told) != 0 || len(c.messages("a")) != 7) || !session && (len(told) != 1 || !told[0].Since.IsZero() || told[0].Until.Before(time.Now().Add(-2*time.Second))) {
					t.Errorf("%s, session known %v: told of %v, got %v", name, session, told, c.messages("a"))
				}
				m.burst("a", 1)
				synctest.Wait()
				c.cut()
				c.connect()
				time.Sleep(time.Second)
				synctest.Wait()
				if n := len(c.toldOf()); n != len(told) {
					t.Errorf("%s, session known %v: told again", name, session)
				}
			})
		}
	}
	world(t, program{replay: large, tables: &fakeTables{}}, 1, func(m *model) {
		c := m.clients[0]
		m.burst("a", 1)
		c.offset = string(hub.AppendOffset(nil, hub.Offset{Position: source.Position{Commit: m.commit + 100}, Commit: time.Now()}))
		c.connect()
		time.Sleep(time.Second)
		synctest.Wait()
		wantCount(t, "gaps of a client that another process has served", len(c.toldOf()), 0)
	})
}
