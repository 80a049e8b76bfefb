package hub_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"chatbridge/internal/history"
	"chatbridge/source"
)

// statuses are those of a message that a client got, without repetition.
func (c *modelClient) statuses(message string) (got []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.h.Entries {
		if e.Kind == history.MessageStatus && e.Message == message {
			got = append(got, e.Status)
		}
	}
	return slices.Compact(got)
}

// TestStatusNeverGoesBackBetweenItsIDs: a status goes under each of the ids by which
// clients may know the message. What a client is owed of the past may be sent when the
// newest has come under the first of them alone, which may last: another bridge may have to
// read it again. An older status does not come then, whatever id it was under.
func TestStatusNeverGoesBackBetweenItsIDs(t *testing.T) {
	for name, owed := range map[string]func(m *model, c *modelClient){
		"subscribes": func(_ *model, c *modelClient) { c.subscribe("a") },
		"comes back anew": func(_ *model, c *modelClient) {
			c.cut()
			c.prior = nil
			c.connect()
		},
		"comes back": func(_ *model, c *modelClient) {
			c.cut()
			c.connect()
		},
	} {
		world(t, program{replay: large}, 1, func(m *model) {
			c := m.clients[0]
			c.connect()
			m.commit++
			m.publish("ws0", history.Message, "a", "new", "sent", 0)
			var ev history.Event
			status := func(status string) {
				m.commit++
				ev = history.Event{
					Position: source.Position{Commit: m.commit, Index: 1}, Kind: history.MessageStatus, Workspace: "ws0",
					Conversation: "a", Message: "new", Status: status, At: time.Now(),
				}
				m.commits(&ev, 0)
			}
			status("read")
			m.again(ev)
			synctest.Wait()
			status("failed")
			synctest.Wait()
			owed(m, c)
			time.Sleep(time.Second)
			synctest.Wait()
			m.again(ev)
			synctest.Wait()
			if got := c.statuses("new"); !slices.Equal(got, []string{"read", "failed"}) {
				t.Errorf("a client that %s: the status went %v", name, got)
			}
			if last := c.since()[len(c.since())-1]; last.Position.Index < underOther || last.Status != "failed" {
				t.Errorf("a client that %s: the last event is %+v", name, last)
			}
		})
	}
}
