package hub_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"chatbridge/bridge/hub"
	"chatbridge/bridge/replay"
	"chatbridge/internal/history"
	"chatbridge/source"
)

// What one workspace does must not cost another an event, nor tell its clients of
// gaps that are not theirs.

// TestLossesOfOthersAreNotTold: however many events of another workspace were left
// out, a client is told of its own alone, and of all of these.
func TestLossesOfOthersAreNotTold(t *testing.T) {
	world(t, program{replay: large}, 2, func(m *model) {
		quiet, own := m.clients[0], m.clients[1]
		own.h.Workspace = "ws1"
		quiet.connect()
		own.connect()
		synctest.Wait()
		m.burst("a", 1)
		m.commit++
		m.publish("ws1", history.Message, "b", m.id("b"), "sent", 0)
		synctest.Wait()
		quiet.cut()
		own.cut()
		time.Sleep(time.Second)
		m.hub.LeftOut([]byte("ws1"), []byte("b"), time.Now())
		for i := range 1000 {
			m.hub.LeftOut(fmt.Appendf(nil, "other%d", i%3), fmt.Appendf(nil, "c%d", i), time.Now())
		}
		quiet.connect()
		own.connect()
		synctest.Wait()
		wantCount(t, "gaps told to a workspace that lost nothing", len(quiet.toldOf()), 0)
		gaps := own.toldOf()
		if len(gaps) != 1 || gaps[0].Conversation != "b" {
			t.Errorf("a workspace that lost an event of one conversation was told %+v", gaps)
		}
	})
}

// TestLossesOfManyWorkspaces: past what is remembered of single workspaces, a loss is
// told to all rather than to nobody.
func TestLossesOfManyWorkspaces(t *testing.T) {
	world(t, program{replay: large}, 1, func(m *model) {
		c := m.clients[0]
		c.connect()
		synctest.Wait()
		m.burst("a", 1)
		synctest.Wait()
		c.cut()
		time.Sleep(time.Second)
		m.hub.LeftOut([]byte("ws0"), []byte("a"), time.Now())
		for i := range 100_000 { // so that it is among those that are forgotten
			m.hub.LeftOut(fmt.Appendf(nil, "other%d", i), []byte("c"), time.Now())
		}
		c.connect()
		synctest.Wait()
		if len(c.toldOf()) == 0 {
			t.Error("the client was not told of its loss")
		}
	})
}

// TestEvictionsOfOthersAreNotTold: a client that is away while its workspace is quiet
// lacks nothing, whatever of others has left the log meanwhile.
func TestEvictionsOfOthersAreNotTold(t *testing.T) {
	world(t, program{replay: large}, 1, func(m *model) {
		c := m.clients[0]
		c.connect()
		time.Sleep(time.Second) // without a subscription it is sent all messages now
		synctest.Wait()
		m.burst("a", 1)
		synctest.Wait()
		c.cut()
		c.prior = nil // its session is kept no longer
		for range 10 {
			m.commit++
			m.publish("other", history.Message, "b", m.id("b"), "sent", 0)
			time.Sleep(10 * time.Second)
		}
		time.Sleep(time.Minute) // both workspaces' parts of the log are forgotten
		c.connect()
		synctest.Wait()
		wantCount(t, "gaps told", len(c.toldOf()), 0)
	})
}

// TestAGapIsCountedOnce: what a client is told again, because it may have been lost
// with the connection, is one gap.
func TestAGapIsCountedOnce(t *testing.T) {
	world(t, program{replay: large}, 1, func(m *model) {
		c := m.clients[0]
		c.connect()
		synctest.Wait()
		m.burst("a", 1)
		synctest.Wait()
		c.stall(time.Hour)
		m.hub.Gap(time.Now().Add(-time.Second), time.Now(), false)
		for range 5 {
			c.cut()
			c.connect()
			synctest.Wait()
		}
		c.setPace(10, 0)
		synctest.Wait()
		time.Sleep(time.Second)
		s := m.hub.Stats()
		if _, gaps := s.ByReason(); gaps["source"] != 1 || len(c.toldOf()) == 0 {
			t.Errorf("counted %v, told %d times", gaps, len(c.toldOf()))
		}
	})
}

// TestAWorkspacesShareOfTheLog: one that floods the log has no more of it than its
// share, and the others' clients lack nothing.
func TestAWorkspacesShareOfTheLog(t *testing.T) {
	for name, log := range map[string]replay.Options{
		"events": {Window: modelWindow, MaxEvents: 10_000, MaxBytes: 1 << 30, WorkspaceEvents: 200},
		"bytes":  {Window: modelWindow, MaxEvents: 1 << 20, MaxBytes: 1 << 30, WorkspaceBytes: 20_000},
	} {
		world(t, program{replay: log}, 1, func(m *model) {
			c := m.clients[0]
			m.burst("a", 50)
			m.flood(1000)
			if s := m.hub.Stats().Replay; s.EvictedShare < 700 || s.Events > 350 {
				t.Errorf("%s: the log has %d events, %d were evicted for a share", name, s.Events, s.EvictedShare)
			}
			c.subscribe("a")
			c.connect()
			synctest.Wait()
			wantCount(t, name+": messages", len(c.messages("a")), 50)
			wantCount(t, name+": gaps told", len(c.toldOf()), 0)
		})
	}
}

// flood publishes messages of a workspace that has no clients, and leaves some out.
func (m *model) flood(n int) {
	for i := range n {
		m.commit++
		ev := history.Event{
			Position: source.Position{Commit: m.commit, Index: uint32(1 + m.epoch)}, Kind: history.Message, Workspace: "flood",
			Conversation: fmt.Sprintf("c%d", i%7), Message: fmt.Sprintf("f%d", m.commit), Status: "sent", At: time.Now(),
		}
		m.send(&ev, 0)
		if i%5 == 0 {
			m.hub.LeftOut([]byte("flood"), []byte(ev.Conversation), time.Now())
		}
	}
}

// TestAWorkspacesSubscriptions: one that has its share is refused more, another is
// not.
func TestAWorkspacesSubscriptions(t *testing.T) {
	world(t, program{replay: large, shares: hub.Shares{Subscriptions: 5, Clients: 2}}, 3, func(m *model) {
		m.clients[2].h.Workspace = "ws1"
		for _, c := range m.clients {
			if m.hub.Full(c.h.Workspace) {
				t.Errorf("%s is not let in", c.h.Client)
			}
			c.connect()
		}
		if !m.hub.Full("ws0") || m.hub.Full("ws1") {
			t.Error("a third client of ws0 is let in, or a second one of ws1 is not")
		}
		taken := 0
		for i := range 10 {
			for _, c := range m.clients {
				if m.hub.Subscribe(c.client, fmt.Sprint(i)) && c.h.Workspace == "ws0" {
					taken++
				}
			}
		}
		wantCount(t, "subscriptions of ws0", taken, 5)
		s := m.hub.Stats()
		if got := s.Limited(); got["workspace_subscriptions"] != 20 || got["workspace_clients"] != 1 {
			t.Errorf("counted %v", got) // 15 of ws0 and 5 of ws1
		}
		m.hub.Unsubscribe(m.clients[0].client, "0")
		if !m.hub.Subscribe(m.clients[0].client, "9") {
			t.Error("one that was taken back gives no room")
		}
	})
}

// TestAWorkspacesCatchUp: its clients together are sent so much of the log a second,
// those of another workspace do not wait for it.
func TestAWorkspacesCatchUp(t *testing.T) {
	const clients, events = 20, 200
	world(t, program{replay: large, shares: hub.Shares{CatchUp: 20_000}, maxPackets: 1000, maxBytes: 1 << 20}, clients+1, func(m *model) {
		m.burst("a", events)
		other := m.clients[clients]
		other.h.Workspace = "ws1"
		m.commit++
		m.publish("ws1", history.Message, "b", m.id("b"), "sent", 0)
		for _, c := range m.clients[:clients] {
			c.subscribe("a")
			c.setPace(1000, 0)
			c.connect()
		}
		other.subscribe("b")
		other.connect()
		time.Sleep(time.Second)
		synctest.Wait()
		wantCount(t, "messages of the other workspace's client after a second", len(other.messages("b")), 1)
		got := 0
		for _, c := range m.clients[:clients] {
			got += len(c.messages("a"))
		}
		if got == 0 || got > clients*events/2 {
			t.Errorf("%d of %d messages came in the first second", got, clients*events)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		for _, c := range m.clients[:clients] {
			wantCount(t, c.h.Client+"'s messages", len(c.messages("a")), events)
		}
		if s := m.hub.Stats(); s.Limited()["workspace_catch_up"] == 0 {
			t.Error("nothing was counted")
		}
	})
}

// TestAWorkspacesPause: publishing waits for one workspace's clients as long as they
// may be waited for, and no longer.
func TestAWorkspacesPause(t *testing.T) {
	log := replay.Options{Window: time.Hour, MaxEvents: 1000, MaxBytes: 1 << 30}
	world(t, program{replay: log, shares: hub.Shares{Pause: 2 * time.Second}, maxPackets: 64, maxBytes: 1 << 20}, 1, func(m *model) {
		c := m.clients[0]
		c.setPace(12, 10*time.Millisecond) // 1,200 a second
		c.subscribe("a")
		c.connect()
		synctest.Wait()
		began := time.Now()
		m.burst("a", 20_000) // would take 16 s
		if waited := time.Since(began); waited < time.Second || waited > 4*time.Second {
			t.Errorf("publishing waited %v, want 2 s and what comes back to them", waited)
		}
		if s := m.hub.Stats(); s.Limited()["workspace_pause"] == 0 {
			t.Error("nothing was counted")
		}
	})
}
