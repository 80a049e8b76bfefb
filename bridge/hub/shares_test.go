package hub_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"chatbridge/internal/history"
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
		for i := range 15_000 {
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
