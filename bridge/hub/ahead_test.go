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
	"chatbridge/source"
)

// TestAheadOfTheBridge: a client may come from a bridge that has read on further. What it is
// owed waits until this one has read as far, so that no state goes back; it is given it after
// a while where nothing comes, and what it is told of gaps it is told at once.
func TestAheadOfTheBridge(t *testing.T) {
	for _, comes := range []bool{true, false} {
		world(t, program{replay: large}, 1, func(m *model) {
			c := m.clients[0]
			c.subscribe("a")
			c.connect()
			synctest.Wait()
			m.commit++
			m.publish("ws0", history.Message, "a", "new", "sent", 0)
			for _, status := range []string{"delivered", "read", "failed"} {
				m.commit += 2 - m.commit%2 + 1 // odd: under one id
				m.publish("ws0", history.MessageStatus, "a", "new", status, 0)
				m.commit++
				m.publish("ws0", history.Conversation, "a", status, "", 0)
			}
			synctest.Wait()
			m.restart(m.t, 3)
			synctest.Wait()
			m.hub.Gap(time.Now().Add(-time.Second), time.Now(), false)
			time.Sleep(3 * time.Second)
			synctest.Wait()
			got := c.since()
			if len(got) != 1 || got[0].Kind != history.GapEvent {
				t.Errorf("before the bridge has read as far it was given %v", got)
			}
			wantCount(t, "being caught up", m.hub.Stats().Catching, 1)
			if !comes {
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if len(c.since()) == 1 {
					t.Error("nothing came, and it is given nothing")
				}
				return
			}
			m.send(&m.late[0], 0) // as far as it is not enough
			time.Sleep(9 * time.Second)
			synctest.Wait()
			wantCount(t, "events", len(c.since()), 1)
			m.late = m.late[1:]
			m.catchUp()
			time.Sleep(time.Second)
			synctest.Wait()
			if got, want := c.statuses("new"), []string{"delivered", "read", "failed"}; !slices.Equal(got, want) {
				t.Errorf("the status went %v, want %v", got, want)
			}
			var conversations []string
			for _, e := range c.since() {
				if e.Kind == history.Conversation {
					conversations = append(conversations, e.Message)
				}
			}
			if fmt.Sprint(conversations) != "[failed]" {
				t.Errorf("the conversation went %v", conversations)
			}
			wantCount(t, "being caught up", m.hub.Stats().Catching, 0)
		})
	}
}

// ahead is n clients that have had an event which the bridge has yet to read: more than are
// woken at once when it comes.
func ahead(t *testing.T, n int, f func(m *model)) {
	world(t, program{replay: large}, n, func(m *model) {
		for _, c := range m.clients {
			c.connect()
		}
		time.Sleep(time.Second)
		m.commit++
		m.publish("ws0", history.Message, "a", "new", "sent", 0)
		m.commit++
		m.publish("ws0", history.Message, "a", "newer", "sent", 0)
		synctest.Wait()
		m.restart(m.t, 1)
		synctest.Wait()
		wantCount(t, "ahead", m.hub.Stats().Catching, n)
		f(m)
	})
}

// TestManyAheadCostNothing: those who wait for the log take no lock until it has moved, and
// then all of them are fed.
func TestManyAheadCostNothing(t *testing.T) {
	const n = 300
	ahead(t, n, func(m *model) {
		time.Sleep(time.Second) // longer than the grace for a first subscription
		before := m.hub.Holds()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if held := m.hub.Holds() - before; held > 50 { // a sweep of the log each second
			t.Errorf("%d waiting clients took the lock %d times in 5 s", n, held)
		}
		m.catchUp()
		synctest.Wait()
		wantCount(t, "being caught up", m.hub.Stats().Catching, 0)
	})
}

// TestAheadEnds: a client that goes, and another history, end the wait at once.
func TestAheadEnds(t *testing.T) {
	ahead(t, 100, func(m *model) {
		m.clients[0].cut()
		synctest.Wait()
		wantCount(t, "ahead after one has gone", m.hub.Stats().Catching, 99)
		m.gap(true)
		synctest.Wait()
		wantCount(t, "ahead in another history", m.hub.Stats().Catching, 0)
		for _, c := range m.clients[1:] {
			wantCount(t, "gaps", len(c.toldOf()), 1)
		}
	})
}

// TestManyAwaitTheHead: all who wait are told when the log is as far, and when it never will be.
func TestManyAwaitTheHead(t *testing.T) {
	world(t, program{replay: large}, 0, func(m *model) {
		m.commit++
		m.publish("ws0", history.Message, "a", "first", "sent", 0)
		at := m.truth.Events[0].Position
		const n = 300
		reached := make(chan bool, 2*n)
		await := func(commit uint64, of time.Time) {
			o := string(hub.AppendOffset(nil, hub.Offset{Position: source.Position{Commit: commit, Index: at.Index}, Commit: of}))
			go func() { reached <- m.hub.AwaitHead(m.hub.Context(), o) }()
		}
		for range n {
			await(m.commit+1, time.Now())
			await(m.commit+1000, time.Now())
		}
		time.Sleep(time.Second)
		synctest.Wait()
		wantCount(t, "returned at once", len(reached), 0)
		m.commit++
		m.publish("ws0", history.Message, "a", "second", "sent", 0)
		synctest.Wait()
		wantCount(t, "returned at the event", len(reached), n)
		for range n {
			if !<-reached {
				t.Fatal("an event that was there was not seen")
			}
		}
		time.Sleep(2 * replay.Slack) // later events are of later times
		m.commit++
		m.publish("ws0", history.Message, "a", "third", "sent", 0)
		synctest.Wait()
		wantCount(t, "returned as it cannot come", len(reached), n)
		for range n {
			if <-reached {
				t.Fatal("an event was seen that is not there")
			}
		}
	})
}
