package hub_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"chatbridge/internal/history"
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
