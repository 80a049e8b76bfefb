package hub_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"chatbridge/bridge/hub"
	"chatbridge/bridge/replay"
	"chatbridge/internal/history"
)

// What was lost in silence once, each as the shortest program that lost it.

// large is a log that evicts by age alone.
var large = replay.Options{Window: modelWindow, MaxEvents: 1 << 20, MaxBytes: 1 << 30}

// world runs f in a bubble, with a Hub and n clients of the workspace ws0.
func world(t *testing.T, p program, n int, f func(m *model)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := &model{p: p, commit: 100}
		if m.p.grace == 0 {
			m.p.grace = 300 * time.Millisecond
		}
		if m.p.maxPackets == 0 {
			m.p.maxPackets, m.p.maxBytes = 50, 10_000
		}
		m.start(t)
		for i := range n {
			m.clients = append(m.clients, newModelClient(m, fmt.Sprintf("client%d", i), "ws0"))
		}
		f(m)
		for _, c := range m.clients {
			c.cut()
		}
		m.stop()
	})
}

// burst publishes n messages in a conversation of ws0.
func (m *model) burst(conv string, n int) {
	for range n {
		m.commit++
		m.publish("ws0", history.Message, conv, m.id(conv), "sent", 0)
	}
}

// messages returns the different messages of a conversation that a client got.
func (c *modelClient) messages(conv string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ids []string
	for _, e := range c.h.Entries {
		if e.Kind == history.Message && e.Conversation == conv {
			ids = append(ids, e.Message)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func (c *modelClient) toldOf() []history.Gap {
	c.mu.Lock()
	defer c.mu.Unlock()
	var gaps []history.Gap
	for _, e := range c.h.Entries {
		if e.Gap != nil {
			gaps = append(gaps, *e.Gap)
		}
	}
	return gaps
}

func wantCount(t *testing.T, what string, got, want int) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %d, want %d", what, got, want)
	}
}

// TestEventLargerThanTheQueue: it reaches clients that are live, catching up and
// subscribed elsewhere, and so does what follows.
func TestEventLargerThanTheQueue(t *testing.T) {
	world(t, program{replay: large, maxPackets: 50, maxBytes: 1000}, 3, func(m *model) {
		live, elsewhere, late := m.clients[0], m.clients[1], m.clients[2]
		live.subscribe("a")
		elsewhere.subscribe("b")
		live.connect()
		elsewhere.connect()
		synctest.Wait()
		m.commit++
		m.publish("ws0", history.Message, "a", "large", "sent", 20_000)
		m.commit++
		m.publish("ws0", history.Conversation, "a", "large", "", 20_000)
		m.burst("a", 5)
		m.burst("b", 5)
		late.subscribe("a")
		late.connect()
		synctest.Wait()
		wantCount(t, "the live client's messages", len(live.messages("a")), 6)
		wantCount(t, "messages of the one subscribed elsewhere", len(elsewhere.messages("b")), 5)
		wantCount(t, "the late client's messages", len(late.messages("a")), 6)
	})
}

// TestSubscribeWhileLagging: a client without subscriptions that lags, and then
// subscribes, is still owed what it has not read of that conversation.
func TestSubscribeWhileLagging(t *testing.T) {
	world(t, program{replay: large, maxPackets: 8, maxBytes: 1 << 20}, 1, func(m *model) {
		c := m.clients[0]
		c.connect()
		time.Sleep(time.Second) // without a subscription it is open now
		c.stall(5 * time.Second)
		synctest.Wait()
		m.burst("a", 301)
		c.subscribe("a")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		wantCount(t, "messages", len(c.messages("a")), 301)
	})
}

// TestResumeIsForItsOwner: only the same user of the same workspace is given the rest
// of a session, whoever asks the Hub.
func TestResumeIsForItsOwner(t *testing.T) {
	for _, other := range []*hub.Client{{Workspace: "ws1", User: "owner"}, {Workspace: "ws0", User: "other"}} {
		world(t, program{replay: replay.Options{Window: modelWindow, MaxEvents: 10, MaxBytes: 1 << 30}}, 1, func(m *model) {
			c := m.clients[0]
			c.h.Client = "owner"
			c.subscribe("a")
			c.connect()
			synctest.Wait()
			m.burst("a", 2)
			synctest.Wait()
			c.cut()
			if m.hub.Resume(other, c.prior, c.offset) {
				t.Errorf("%s of %s is given the session of owner of ws0", other.User, other.Workspace)
			}
			if !m.hub.Resume(&hub.Client{Workspace: "ws0", User: "owner"}, c.prior, c.offset) {
				t.Error("its owner is not")
			}
		})
	}
}

// TestEvictedBetweenResumeAndAttach: the client has been told that its session is
// restored, so it is told of what it is not given. A history that begins anew in
// between likewise.
func TestEvictedBetweenResumeAndAttach(t *testing.T) {
	for _, what := range []string{"evicted", "history"} {
		world(t, program{replay: replay.Options{Window: modelWindow, MaxEvents: 10, MaxBytes: 1 << 30}}, 1, func(m *model) {
			c := m.clients[0]
			c.subscribe("a")
			c.connect()
			synctest.Wait()
			m.burst("a", 2)
			synctest.Wait()
			c.cut()
			m.burst("a", 4)
			c.client = &hub.Client{Workspace: "ws0", User: c.h.Client}
			if !m.hub.Resume(c.client, c.prior, c.offset) {
				t.Fatal("the session is not restored")
			}
			if what == "history" {
				time.Sleep(time.Millisecond)
				m.hub.Restart(time.Time{}, time.Now(), time.Now())
				m.commit = 10 // below what the client claims
				m.burst("a", 2)
			} else {
				m.burst("a", 20)
			}
			c.socket = m.namespace.socket(c.client, 50, 10_000)
			m.hub.Attach(c.client, c.socket, c.offset, c.session)
			c.done = make(chan struct{})
			go c.read(c.socket, c.done)
			synctest.Wait()
			gaps := c.toldOf()
			if len(gaps) == 0 || gaps[0].Reload != (what == "history") {
				t.Errorf("%s: the client was told %+v", what, gaps)
			}
			if last := m.truth.Events[len(m.truth.Events)-1].Message; !slices.Contains(c.messages("a"), last) {
				t.Errorf("%s: the last message did not come", what)
			}
			s := m.hub.Stats()
			if _, gaps := s.ByReason(); gaps[what] == 0 {
				t.Errorf("%s: nothing was counted: %v", what, gaps)
			}
		})
	}
}

// TestWindowGoesOnWhileAClientConnects: what leaves the window between a client's
// coming and its being read costs it nothing, and nobody is told of a gap.
func TestWindowGoesOnWhileAClientConnects(t *testing.T) {
	world(t, program{replay: large}, 60, func(m *model) {
		for range 750 {
			m.burst("a", 1)
			time.Sleep(20 * time.Millisecond)
		}
		for _, c := range m.clients {
			c.connect()
			m.burst("a", 1)
			time.Sleep(20 * time.Millisecond)
		}
		for range 50 {
			m.burst("a", 1)
			time.Sleep(20 * time.Millisecond)
		}
		synctest.Wait()
		for i, c := range m.clients {
			if gaps := c.toldOf(); len(gaps) > 0 {
				t.Fatalf("client %d was told of %+v", i, gaps)
			}
			// The window before it, itself, and all after it.
			if got := len(c.messages("a")); got < 500+60-i+50 {
				t.Errorf("client %d got %d messages", i, got)
			}
		}
	})
}

// TestTransactionLargerThanTheLog: publishing waits for a client that keeps
// reading, so that it gets all of it; and not for one that does not.
func TestTransactionLargerThanTheLog(t *testing.T) {
	const events, kept = 20_000, 1000
	log := replay.Options{Window: modelWindow, MaxEvents: kept, MaxBytes: 1 << 30}
	world(t, program{replay: log, maxPackets: 64, maxBytes: 1 << 20}, 1, func(m *model) {
		c := m.clients[0]
		c.setPace(10, time.Millisecond) // 10,000 a second
		c.subscribe("a")
		c.connect()
		synctest.Wait()
		m.burst("a", events)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		wantCount(t, "messages", len(c.messages("a")), events)
		s := m.hub.Stats()
		if s.Pauses == 0 || s.Paused > 3*time.Second {
			t.Errorf("publishing waited %d times, %v in all", s.Pauses, s.Paused)
		}
		wantCount(t, "gaps told", len(c.toldOf()), 0)
	})
	world(t, program{replay: log, maxPackets: 64, maxBytes: 1 << 20}, 1, func(m *model) {
		c := m.clients[0]
		c.subscribe("a")
		c.connect()
		synctest.Wait()
		c.stall(time.Hour)
		m.burst("a", 100)
		time.Sleep(time.Second)
		began := time.Now()
		m.burst("a", events)
		if waited := time.Since(began); waited > 2*time.Second {
			t.Errorf("publishing waited %v for a client that does not read", waited)
		}
		c.setPace(1000, 0)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		wantCount(t, "gaps told", len(c.toldOf()), 1)
		s := m.hub.Stats()
		if _, gaps := s.ByReason(); gaps["evicted"] != 1 {
			t.Errorf("counted %v", gaps)
		}
	})
}

// TestWaitingIsBounded: a client that reads just fast enough to be waited for may
// hold publishing for the budget, and then no more.
func TestWaitingIsBounded(t *testing.T) {
	log := replay.Options{Window: time.Hour, MaxEvents: 1000, MaxBytes: 1 << 30}
	world(t, program{replay: log, maxPackets: 64, maxBytes: 1 << 20}, 1, func(m *model) {
		c := m.clients[0]
		c.setPace(12, 10*time.Millisecond) // 1,200 a second
		c.subscribe("a")
		c.connect()
		synctest.Wait()
		began := time.Now()
		m.burst("a", 200_000) // would take 165 s
		if waited := time.Since(began); waited < 20*time.Second || waited > 45*time.Second {
			t.Errorf("publishing waited %v, want the budget of 30 s and what comes back to it", waited)
		}
		c.setPace(10_000, 0)
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(c.toldOf()) == 0 {
			t.Error("the client was not told of what it lacks")
		}
	})
}

// TestAwayForLongerThanTheLog: a client that comes back with an offset that the
// log does not reach is told so, whatever became of its session.
func TestAwayForLongerThanTheLog(t *testing.T) {
	world(t, program{replay: large}, 1, func(m *model) {
		c := m.clients[0]
		c.subscribe("a")
		c.connect()
		synctest.Wait()
		m.burst("a", 3)
		synctest.Wait()
		c.cut()
		c.prior = nil
		left := time.Now()
		time.Sleep(time.Second)
		m.burst("a", 3)
		time.Sleep(time.Minute)
		c.connect()
		synctest.Wait()
		gaps := c.toldOf()
		if len(gaps) != 1 || gaps[0].Since.After(left) || gaps[0].Until.Before(left.Add(time.Second)) {
			t.Errorf("the client was told %+v", gaps)
		}
		s := m.hub.Stats()
		if _, gaps := s.ByReason(); gaps["away"] != 1 {
			t.Errorf("counted %v", gaps)
		}
	})
}

// TestReceivedNothingAndAway: a client that has received nothing says no offset,
// and lacks all that there was since its session began.
func TestReceivedNothingAndAway(t *testing.T) {
	world(t, program{replay: large}, 1, func(m *model) {
		c := m.clients[0]
		c.connect()
		time.Sleep(time.Minute)
		c.cut()
		c.prior = nil // its session is kept no longer
		time.Sleep(time.Second)
		m.burst("a", 3)
		lost := time.Now()
		time.Sleep(time.Minute)
		c.connect()
		time.Sleep(time.Second)
		synctest.Wait()
		gaps := c.toldOf()
		if len(gaps) != 1 || gaps[0].Since.After(lost) || gaps[0].Until.Before(lost) {
			t.Errorf("the client was told %+v, and lacks what came at %v", gaps, lost)
		}
		c.cut()
		c.prior = nil
		c.connect()
		synctest.Wait()
		wantCount(t, "gaps told when it comes again", len(c.toldOf()), 1)
	})
}

// TestReceivedNothingAndQuiet: where nothing happened, nothing is told.
func TestReceivedNothingAndQuiet(t *testing.T) {
	world(t, program{replay: large}, 2, func(m *model) {
		c, other := m.clients[0], m.clients[1]
		other.connect()
		m.burst("a", 3)
		time.Sleep(time.Minute)
		c.connect()
		time.Sleep(time.Minute)
		c.cut()
		c.prior = nil
		time.Sleep(time.Minute)
		c.connect()
		synctest.Wait()
		wantCount(t, "gaps told", len(c.toldOf()), 0)
	})
}

// TestAGapIsToldOnce: a client whose last event is older than the log is told so,
// and not again when it comes back once more.
func TestAGapIsToldOnce(t *testing.T) {
	world(t, program{replay: large}, 1, func(m *model) {
		c := m.clients[0]
		c.connect()
		synctest.Wait()
		m.burst("a", 3)
		synctest.Wait()
		c.cut()
		time.Sleep(time.Minute)
		m.restart(m.t, 0)
		for range 2 {
			m.commit++
			m.publish("other", history.Conversation, "b", "x", "", 0)
			c.connect()
			synctest.Wait()
			c.cut()
		}
		wantCount(t, "gaps told", len(c.toldOf()), 1)
	})
}

// TestGapOfAFreshProcess: one that has lost its slot knows nothing of the window
// before it, which a new client is promised.
func TestGapOfAFreshProcess(t *testing.T) {
	world(t, program{replay: large}, 1, func(m *model) {
		now := time.Now()
		m.hub.Gap(now.Add(-time.Second), now, false)
		m.burst("a", 1)
		c := m.clients[0]
		c.connect()
		synctest.Wait()
		if gaps := c.toldOf(); len(gaps) != 1 || gaps[0].Since.After(now.Add(-modelWindow)) {
			t.Errorf("the client was told %+v", gaps)
		}
	})
}

// TestOneWorkspacesImport: it empties nobody else's window.
func TestOneWorkspacesImport(t *testing.T) {
	world(t, program{replay: replay.Options{Window: modelWindow, MaxEvents: 500, MaxBytes: 1 << 30}}, 1, func(m *model) {
		c := m.clients[0]
		c.subscribe("a")
		c.connect()
		synctest.Wait()
		m.burst("a", 1)
		synctest.Wait()
		c.cut()
		m.burst("a", 100)
		for range 5000 {
			m.commit++
			m.publish("other", history.Message, "b", m.id("b"), "sent", 0)
		}
		m.burst("import", 5000)
		c.connect()
		synctest.Wait()
		wantCount(t, "messages", len(c.messages("a")), 101)
		wantCount(t, "gaps told about the conversation", len(slices.DeleteFunc(c.toldOf(), func(g history.Gap) bool {
			return g.Conversation != "a"
		})), 0)
	})
}

// TestSourceGapIsTold: to who is there, and to who comes back.
func TestSourceGapIsTold(t *testing.T) {
	world(t, program{replay: large}, 3, func(m *model) {
		there, back, later := m.clients[0], m.clients[1], m.clients[2]
		there.connect()
		back.connect()
		synctest.Wait()
		m.burst("a", 1)
		synctest.Wait()
		back.cut()
		time.Sleep(time.Second)
		m.hub.Gap(time.Now().Add(-500*time.Millisecond), time.Now(), false)
		synctest.Wait()
		back.connect()
		time.Sleep(time.Minute)
		later.connect()
		synctest.Wait()
		wantCount(t, "gaps told to who was there", len(there.toldOf()), 1)
		wantCount(t, "gaps told to who came back", len(back.toldOf()), 1)
		wantCount(t, "gaps told to who came a minute later", len(later.toldOf()), 0)
	})
}

// TestCutBeforeItHadRead: a client that was cut while it was being caught up is
// still owed what it had not been sent, also when the window has moved on, and when
// there was no room for its subscriptions.
func TestCutBeforeItHadRead(t *testing.T) {
	for _, sumUp := range []bool{false, true} {
		cutBeforeItHadRead(t, sumUp)
	}
}

func cutBeforeItHadRead(t *testing.T, sumUp bool) {
	world(t, program{replay: large, maxPackets: 8, maxBytes: 1 << 20, sumUp: sumUp}, 1, func(m *model) {
		for range 90 {
			m.burst("a", 1)
			time.Sleep(100 * time.Millisecond)
		}
		c := m.clients[0]
		c.stall(time.Hour)
		c.subscribe("a")
		c.connect()
		time.Sleep(4 * time.Second)
		c.cut()
		c.setPace(10, 0)
		c.connect()
		synctest.Wait()
		wantCount(t, "messages", len(c.messages("a")), 90)
		wantCount(t, "gaps told", len(c.toldOf()), 0)
	})
}

// TestCutBeforeItHadReadASubscription: likewise for what it subscribed to when it had
// received newer events.
func TestCutBeforeItHadReadASubscription(t *testing.T) {
	for _, sumUp := range []bool{false, true} {
		world(t, program{replay: large, maxPackets: 8, maxBytes: 1 << 20, sumUp: sumUp}, 1, func(m *model) {
			for range 90 {
				m.burst("a", 1)
				time.Sleep(100 * time.Millisecond)
			}
			c := m.clients[0]
			c.subscribe("b")
			c.connect()
			synctest.Wait()
			m.burst("b", 2)
			synctest.Wait()
			c.stall(time.Hour)
			synctest.Wait()
			c.subscribe("a")
			time.Sleep(4 * time.Second)
			c.cut()
			c.setPace(10, 0)
			c.connect()
			synctest.Wait()
			wantCount(t, "messages", len(c.messages("a")), 90)
			wantCount(t, "gaps told", len(c.toldOf()), 0)
		})
	}
}

// TestRestartBeforeItHadRead: a client comes back, is cut after newer events and before it
// has read what it subscribed to last, and comes to another process, which knows nothing
// of its session. It is told since when it lacks something: since the session before. One
// that was connected for longer is told of no more than what it missed since its offset.
func TestRestartBeforeItHadRead(t *testing.T) {
	for _, longer := range []bool{false, true} {
		world(t, program{replay: large, maxPackets: 8, maxBytes: 1 << 20}, 1, func(m *model) {
			c := m.clients[0]
			m.burst("b", 1)
			c.subscribe("b")
			c.connect()
			synctest.Wait()
			m.burst("b", 1)
			synctest.Wait()
			c.cut()
			c.prior = nil // its session is kept no longer
			claimed := c.when
			time.Sleep(2 * time.Second)
			m.burst("a", 1)
			m.burst("b", 1)
			c.connect() // it is given those of b, and their offset
			synctest.Wait()
			if longer {
				c.subscribe("a")
				time.Sleep(10 * time.Second)
				m.burst("b", 1)
				synctest.Wait()
				claimed = c.when
			} else {
				c.stall(time.Hour)
				c.subscribe("a")
			}
			c.cut()
			m.restart(m.t, 0)
			time.Sleep(time.Minute)
			m.restart(m.t, 0)
			m.burst("b", 1)
			c.setPace(10, 0)
			c.connect()
			synctest.Wait()
			if gaps := c.toldOf(); len(gaps) != 1 || !gaps[0].Since.Equal(claimed) {
				t.Errorf("longer %v: it claimed %v, and was told of %+v", longer, claimed, gaps)
			}
			if wrong := c.missed(); wrong != "" {
				t.Error(wrong)
			}
		})
	}
}

// TestManyEventsOfOthers: a client that lags reads past what is not for it, to the
// head, before it goes live.
func TestManyEventsOfOthers(t *testing.T) {
	world(t, program{replay: large, maxPackets: 8, maxBytes: 1 << 20}, 1, func(m *model) {
		c := m.clients[0]
		c.subscribe("b")
		c.connect()
		synctest.Wait()
		c.stall(time.Second)
		synctest.Wait()
		m.burst("b", 20)
		m.burst("a", 5000)
		m.burst("b", 5)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		wantCount(t, "messages", len(c.messages("b")), 25)
	})
}

// TestMarkWaits: a mark comes after all that the client is owed; one that has not
// subscribed yet has not said what that is.
func TestMarkWaits(t *testing.T) {
	world(t, program{replay: large, grace: time.Second}, 1, func(m *model) {
		m.burst("a", 5)
		c := m.clients[0]
		c.connect()
		c.mark()
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		wantCount(t, "marks before it has subscribed", c.marked, 0)
		c.subscribe("a")
		synctest.Wait()
		wantCount(t, "messages", len(c.messages("a")), 5)
		wantCount(t, "marks", c.marked, 1)
	})
}

// TestSubscribeAgainAndAgain: a subscription that is taken back ends its reading.
func TestSubscribeAgainAndAgain(t *testing.T) {
	world(t, program{replay: large}, 1, func(m *model) {
		m.burst("a", 1000)
		c := m.clients[0]
		c.subscribe("b")
		c.connect()
		synctest.Wait()
		c.stall(time.Minute)
		synctest.Wait()
		for range 100 {
			c.subscribe("a")
			c.unsubscribe("a")
		}
		before := m.hub.Stats().CaughtUp
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if n := m.hub.Stats().CaughtUp - before; n > 200 {
			t.Errorf("%d packets were read for subscriptions that had been taken back", n)
		}
		wantCount(t, "being caught up", m.hub.Stats().Catching, 0)
	})
}

// TestASweepForgets: what has left the window, clients that left before it, and then their
// workspace; but nothing of a workspace that has a client.
func TestASweepForgets(t *testing.T) {
	world(t, program{replay: large}, 2, func(m *model) {
		gone := m.clients[0]
		gone.subscribe("a")
		gone.connect()
		synctest.Wait()
		m.burst("a", 3)
		m.commit++
		m.publish("other", history.Message, "b", m.id("b"), "sent", 0)
		synctest.Wait()
		time.Sleep(3 * time.Second) // the events leave before it
		gone.cut()
		before := m.hub.Stats()
		if before.Replay.Events != 4 || before.Replay.Workspaces != 2 || before.SessionBytes == 0 {
			t.Fatalf("before: %+v", before)
		}
		time.Sleep(modelWindow + replay.Slack + 2*time.Second)
		after := m.hub.Stats()
		if after.Replay.Events != 0 || after.Replay.Workspaces != 0 || after.SessionBytes != 0 {
			t.Errorf("after the window: %d events of %d workspaces, %d bytes of sessions", after.Replay.Events, after.Replay.Workspaces, after.SessionBytes)
		}
		m.clients[1].connect()
		synctest.Wait()
		time.Sleep(modelWindow + replay.Slack + 2*time.Second)
		if n := m.hub.Stats().Replay.Workspaces; n != 1 {
			t.Errorf("%d workspaces are known while one has a client", n)
		}
		m.clients[1].cut()
		time.Sleep(2 * time.Second)
		if n := m.hub.Stats().Replay.Workspaces; n != 0 {
			t.Errorf("%d workspaces are known once the client of the last one has left", n)
		}
	})
}
