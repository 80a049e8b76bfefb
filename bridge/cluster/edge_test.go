package cluster_test

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chatbridge/bridge/cluster"
	"chatbridge/source"
)

// heard is a Follower that keeps what it is told.
type heard struct {
	mu     sync.Mutex
	places []uint64
	told   []string
}

func (h *heard) note(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told = append(h.told, what)
}

func (h *heard) Apply(r *cluster.Record) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.places = append(h.places, r.ID.Commit)
}
func (h *heard) Gap(g cluster.Gap)         { h.note("gap " + g.Reason) }
func (h *heard) Rejoin(bool)               { h.note("rejoin") }
func (h *heard) Restart(r cluster.Restart) { h.note("restart " + r.Began.Format(time.TimeOnly)) }

func (h *heard) is(t *testing.T, what string, places, told any) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	same(t, what, h.places, places)
	same(t, what+": told", h.told, told)
}

// pair is a leader and an edge on one Redis.
type pair struct {
	redis    *fakeRedis
	leader   *cluster.Leader
	edge     *cluster.Edge
	follower heard
}

func newPair(from uint64, keep time.Duration) *pair {
	p := &pair{redis: newFakeRedis()}
	dial := func(seed uint64) cluster.Dial {
		return func(context.Context) (cluster.Store, error) { return p.redis.dial(rand.New(rand.NewPCG(seed, 1))) }
	}
	log := slog.New(slog.DiscardHandler)
	p.leader = cluster.NewLeader(cluster.LeaderOptions{
		Dial: dial(1), Name: "leader", Epoch: epoch, From: from, Keep: keep, MaxItems: 100, MaxBytes: 1 << 20,
		Source: func() cluster.SourceState { return cluster.SourceState{Streaming: true, Flowing: true} }, Logger: log,
	})
	p.edge = cluster.NewEdge(cluster.EdgeOptions{Dial: dial(2), Follower: &p.follower, Logger: log})
	return p
}

func (p *pair) publish(commits ...uint64) {
	for _, c := range commits {
		p.leader.Begin(c)
		p.leader.Publish(source.Position{Commit: c, Index: 1}, record(c, 1), time.Now())
	}
}

// TestAnEdgeThatFellBehindBeginsAnew: what it has to read next is not there any more,
// which it sees by the entry before.
func TestAnEdgeThatFellBehindBeginsAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPair(1, 10*time.Second)
		go func() { _ = p.leader.Run(t.Context()) }()
		ctx, pause := contextOf(t)
		go func() { _ = p.edge.Run(ctx) }()
		p.publish(1, 2)
		time.Sleep(2 * time.Second)
		p.follower.is(t, "what is read", "[1 2]", "[]")
		pause()
		p.publish(3)
		time.Sleep(30 * time.Second) // 3 leaves the window
		p.publish(4)
		time.Sleep(30 * time.Second)
		p.publish(5)
		time.Sleep(2 * time.Second)
		ctx, _ = contextOf(t)
		go func() { _ = p.edge.Run(ctx) }()
		time.Sleep(2 * time.Second)
		p.follower.is(t, "what is read later", "[1 2 4 5]", "[rejoin]")
	})
}

// TestABeatOfBeforeIsNoLeader: what an earlier leader left in Redis does not make an edge
// whole; a beat that comes does.
func TestABeatOfBeforeIsNoLeader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPair(1, time.Minute)
		ctx, stop := contextOf(t)
		go func() { _ = p.leader.Run(ctx) }()
		p.publish(1)
		time.Sleep(2 * time.Second)
		stop()
		synctest.Wait()
		ctx, _ = contextOf(t)
		go func() { _ = p.edge.Run(ctx) }()
		time.Sleep(2 * time.Second)
		p.follower.is(t, "what is read", "[1]", "[]")
		if s := p.edge.Stats(); s.Joined || s.Connected {
			t.Errorf("without a leader: %+v", s)
		}
		go func() { _ = p.leader.Run(t.Context()) }()
		time.Sleep(2 * time.Second)
		if s := p.edge.Stats(); !s.Joined || !s.Connected {
			t.Errorf("with one: %+v", s)
		}
	})
}

// TestWhatTheLeaderTellsOnce: gaps come once and before what follows them, another history
// begins the edge anew, and an emptied Redis is filled again without anybody noticing.
func TestWhatTheLeaderTellsOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPair(1, time.Minute)
		go func() { _ = p.leader.Run(t.Context()) }()
		go func() { _ = p.edge.Run(t.Context()) }()
		p.publish(1, 2)
		time.Sleep(2 * time.Second)
		p.leader.Gap(cluster.Gap{Until: time.Now(), Reason: "one"})
		p.publish(3)
		time.Sleep(2 * time.Second)
		p.follower.is(t, "after a gap", "[1 2 3]", "[gap one]")
		p.redis.loseAll()
		p.publish(4)
		time.Sleep(2 * time.Second)
		p.follower.is(t, "after Redis was empty", "[1 2 3 4]", "[gap one]")
		if s := p.leader.Stats(); s.Refills != 1 || s.Waiting != 0 {
			t.Errorf("the leader: %+v", s)
		}
		p.leader.Restart(cluster.Restart{Until: time.Now(), Began: time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)})
		p.publish(2, 3)
		time.Sleep(3 * time.Second)
		p.follower.is(t, "in another history", "[1 2 3 4 2 3]", "[gap one restart 10:00:00]")
	})
}

// contextOf is a context that ends with the test, or before.
func contextOf(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithCancel(t.Context())
}

// TestAFullRedisIsNoLeader: Redis that is full takes beats, because they free memory first,
// and no entries. Edges that took the beats for all being well would serve nothing new, for
// as long as that lasts.
func TestAFullRedisIsNoLeader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPair(1, time.Minute)
		go func() { _ = p.leader.Run(t.Context()) }()
		go func() { _ = p.edge.Run(t.Context()) }()
		p.publish(1)
		time.Sleep(2 * time.Second)
		p.redis.set(func() { p.redis.full = true })
		time.Sleep(10 * time.Second)
		if s := p.edge.Stats(); !s.Connected {
			t.Errorf("nothing waits, and the edge hears nobody: %s", s.Error)
		}
		p.publish(2)
		time.Sleep(10 * time.Second)
		if s := p.edge.Stats(); s.Connected || time.Since(s.Heard) < 5*time.Second {
			t.Errorf("the edge hears the leader: %+v", s)
		}
		if s := p.leader.Stats(); s.Connected || s.Waiting != 1 || s.Error == "" {
			t.Errorf("the leader: %+v", s)
		}
		p.redis.set(func() { p.redis.full = false })
		time.Sleep(3 * time.Second)
		if s := p.edge.Stats(); !s.Connected {
			t.Errorf("when there is room again: %+v", s)
		}
		p.follower.is(t, "what is read", "[1 2]", "[]")
	})
}

// TestWhatRedisLostIsAppendedAgainAtOnce: FLUSHALL ends no connection, so what shows the
// loss is that the next append is refused. Edges do not wait for the next beat.
func TestWhatRedisLostIsAppendedAgainAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPair(1, time.Minute)
		go func() { _ = p.leader.Run(t.Context()) }()
		p.publish(1, 2)
		time.Sleep(2*time.Second + 100*time.Millisecond) // between two beats
		p.redis.flush()
		go func() { _ = p.edge.Run(t.Context()) }()
		p.publish(3)
		time.Sleep(100 * time.Millisecond)
		if s := p.leader.Stats(); s.Refills != 1 || s.Waiting != 0 {
			t.Errorf("the leader: %+v", s)
		}
		time.Sleep(2 * time.Second)
		p.follower.is(t, "what is read", "[1 2 3]", "[]")
	})
}
