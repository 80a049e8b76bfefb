package cluster_test

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"chatbridge/bridge/cluster"
	"chatbridge/source"
)

// bridgeOf is a Node with its log; what its source says can be set.
type bridgeOf struct {
	*cluster.Node
	log    heard
	source atomic.Pointer[cluster.SourceState]
	// deaf: it follows nothing of the stream; it still sees what is there.
	deaf atomic.Bool
	// dials counts the connections to Redis.
	dials atomic.Int64
}

func newBridge(ctx context.Context, redis *fakeRedis, name string) *bridgeOf {
	b := &bridgeOf{}
	b.source.Store(&cluster.SourceState{})
	b.Node = cluster.NewNode(cluster.NodeOptions{
		Dial: func(ctx context.Context) (cluster.Store, error) {
			b.dials.Add(1)
			s, err := redis.dial(rand.New(rand.NewPCG(1, 1)))
			return &deafStore{s, b}, err
		},
		Follower: &b.log, Name: name, Keep: time.Hour, MaxItems: 1000, MaxBytes: 1 << 20,
		Source: func() cluster.SourceState { return *b.source.Load() }, Logger: slog.New(slog.DiscardHandler),
	})
	go func() { _ = b.Run(ctx) }()
	return b
}

type deafStore struct {
	cluster.Store
	b *bridgeOf
}

func (s *deafStore) Read(ctx context.Context, e cluster.Epoch, after cluster.ID, beat string, wait time.Duration) (cluster.Reply, error) {
	if s.b.deaf.Load() && wait > time.Millisecond {
		<-ctx.Done()
		return cluster.Reply{}, ctx.Err()
	}
	return s.Store.Read(ctx, e, after, beat, wait)
}

// lead makes it the leader from a place on, and publish gives it what was committed.
func (b *bridgeOf) lead(ctx context.Context, t *testing.T, s cluster.Start) {
	t.Helper()
	b.at(s.From)
	if err := b.Lead(ctx, s); err != nil {
		t.Fatal(err)
	}
}

func (b *bridgeOf) at(through uint64) {
	b.source.Store(&cluster.SourceState{Through: through, Streaming: true, Flowing: true, Place: &cluster.Place{Through: through}})
}

func (b *bridgeOf) publish(commits ...uint64) {
	for _, c := range commits {
		b.Leader().Begin(c)
		b.Leader().Publish(source.Position{Commit: c, Index: 1}, record(c, 1), time.Now())
		b.at(c + 1)
	}
}

// TestANewLeaderGoesOnWhereTheOneBeforeWas: it has what Redis may lose, though it never
// read that from the database.
func TestANewLeaderGoesOnWhereTheOneBeforeWas(t *testing.T) {
	t.Parallel()
	withRedis(t, func(ctx context.Context, t *testing.T, redis *fakeRedis) {
		first, next, other := newBridge(ctx, redis, "first"), newBridge(ctx, redis, "next"), newBridge(ctx, redis, "other")
		first.lead(ctx, t, cluster.Start{System: 7, Timeline: 1, From: 100, Confirmed: 100, Fresh: true})
		first.publish(110, 120, 130)
		time.Sleep(2 * time.Second) // a beat has told where it is
		if _, _, ok := next.Place(ctx, 99); ok {
			t.Error("it goes on though its log begins after what is confirmed")
		}
		at, epoch, ok := next.Place(ctx, 100)
		if !ok || at.Through != 131 {
			t.Fatalf("goes on at %+v, %v; want 131", at, ok)
		}
		if err := first.Follow(ctx); err != nil {
			t.Fatal(err)
		}
		redis.loseTail(3) // of the records too
		next.lead(ctx, t, cluster.Start{System: 7, Timeline: 1, From: at.Through, Confirmed: 100, Resumed: &epoch})
		if held := next.Leader().Held(); held > 110 {
			t.Errorf("all up to %d counts as held by Redis before it was asked", held)
		}
		next.publish(140)
		time.Sleep(2 * time.Second)
		redis.loseAll()
		next.publish(150)
		time.Sleep(2 * time.Second)
		late := newBridge(ctx, redis, "late")
		time.Sleep(2 * time.Second)
		other.log.is(t, "one that was there", []uint64{110, 120, 130, 140, 150}, []string(nil))
		late.log.is(t, "one that came late", []uint64{110, 120, 130, 140, 150}, []string(nil))
	})
}

// TestAPlaceInAnotherHistory: a bridge that did not hear that another history has begun
// does not go on in its own, and puts nothing of that into the other's stream.
func TestAPlaceInAnotherHistory(t *testing.T) {
	t.Parallel()
	withRedis(t, func(ctx context.Context, t *testing.T, redis *fakeRedis) {
		first, next := newBridge(ctx, redis, "first"), newBridge(ctx, redis, "next")
		first.lead(ctx, t, cluster.Start{System: 7, Timeline: 1, From: 100, Confirmed: 100, Fresh: true})
		first.publish(110, 120, 130)
		time.Sleep(2 * time.Second)
		_, before, ok := next.Place(ctx, 100)
		if !ok {
			t.Fatal("it does not know where to go on")
		}
		next.deaf.Store(true)
		time.Sleep(600 * time.Millisecond) // the read that was under way has ended
		first.Leader().Restart(cluster.Restart{})
		first.publish(115)
		time.Sleep(100 * time.Millisecond)
		if at, _, ok := next.Place(ctx, 100); ok {
			t.Errorf("goes on at %+v, in a history that has ended", at)
		}
		// Had Redis told of the other history a moment later:
		if err := first.Follow(ctx); err != nil {
			t.Fatal(err)
		}
		next.lead(ctx, t, cluster.Start{System: 7, Timeline: 1, From: 131, Confirmed: 100, Resumed: &before})
		next.publish(140)
		time.Sleep(2 * time.Second)
		late := newBridge(ctx, redis, "late")
		time.Sleep(2 * time.Second)
		late.log.mu.Lock()
		defer late.log.mu.Unlock()
		for _, at := range late.log.places {
			if at == 110 || at == 120 || at == 130 {
				t.Errorf("a bridge was given %v: of both histories", late.log.places)
			}
		}
	})
}

// waiting is a connection whose reads end when it is closed, whatever becomes of their
// context: as those of Redis do that wait there.
type waiting struct {
	cluster.Store
	closed  chan struct{}
	closing sync.Once
}

func (w *waiting) LastBeat(context.Context) (cluster.RawBeat, error) { return cluster.RawBeat{}, nil }

func (w *waiting) Close() error { w.closing.Do(func() { close(w.closed) }); return nil }

func (w *waiting) Read(context.Context, cluster.Epoch, cluster.ID, string, time.Duration) (cluster.Reply, error) {
	<-w.closed
	return cluster.Reply{}, errAway
}

// TestAnEdgeThatIsToLeadDoesNotWaitForItsRead: all clients of the cluster wait for it.
func TestAnEdgeThatIsToLeadDoesNotWaitForItsRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		edge := cluster.NewEdge(cluster.EdgeOptions{
			Dial:     func(context.Context) (cluster.Store, error) { return &waiting{closed: make(chan struct{})}, nil },
			Follower: &heard{}, Logger: slog.New(slog.DiscardHandler),
		})
		ctx, cancel := context.WithCancel(t.Context())
		began := time.Now()
		time.AfterFunc(time.Second, cancel)
		if err := edge.Run(ctx); err != nil || time.Since(began) != time.Second {
			t.Errorf("it ended %v after it was told to, with %v", time.Since(began)-time.Second, err)
		}
	})
}

// TestWhatWasDelivered: a bridge that has not read the database knows the last transaction
// that it was given events of, as an edge and as the leader that it was; and one that has
// nothing knows from Redis what others were given. What was read back from the tables is no
// transaction.
func TestWhatWasDelivered(t *testing.T) {
	t.Parallel()
	withRedis(t, func(ctx context.Context, t *testing.T, redis *fakeRedis) {
		a, b := newBridge(ctx, redis, "a"), newBridge(ctx, redis, "b")
		if d, ok := a.Delivered(ctx); ok {
			t.Errorf("it was given %+v before there was anything", d)
		}
		check := func(name string, b *bridgeOf, commit, through uint64) {
			t.Helper()
			d, ok := b.Delivered(ctx)
			want := cluster.Delivered{Epoch: cluster.Epoch{System: 7, Timeline: 1}, Through: through, Commit: commit, Time: time.UnixMicro(int64(commit)).UTC()}
			if !ok || d != want {
				t.Errorf("%s was given %+v, %t, want %+v", name, d, ok, want)
			}
		}
		publish := func(commits ...uint64) {
			for _, c := range commits {
				r := record(c, 1)
				r.Commit = time.UnixMicro(int64(c))
				a.Leader().Begin(c)
				a.Leader().Publish(source.Position{Commit: c, Index: 1}, r, time.Now())
				a.at(c + 1)
			}
		}
		a.lead(ctx, t, cluster.Start{System: 7, Timeline: 1, From: 8, Confirmed: 8, Fresh: true})
		publish(16, 24, 27) // the last was read back
		time.Sleep(3 * time.Second)
		check("an edge", b, 24, 28)
		if d, ok := a.Delivered(ctx); ok {
			t.Errorf("the leader was given %+v otherwise than by its source", d)
		}
		b.deaf.Store(true)
		time.Sleep(time.Second)
		publish(32)
		time.Sleep(3 * time.Second)
		check("a deaf edge, by Redis", b, 32, 33)
		redis.set(func() { redis.away = true })
		check("a deaf edge, without Redis", b, 24, 28)
		if err := a.Follow(ctx); err != nil {
			t.Fatal(err)
		}
		check("the leader that was", a, 32, 33)
		a.lead(ctx, t, cluster.Start{System: 7, Timeline: 1, From: 8, Confirmed: 8, Fresh: true})
		a.Leader().Restart(cluster.Restart{})
		if err := a.Follow(ctx); err != nil {
			t.Fatal(err)
		}
		if d, ok := a.Delivered(ctx); ok {
			t.Errorf("of a history that has begun anew it was given %+v", d)
		}
	})
}

// TestRedisIsAskedOnceAtATakeover: what was delivered and where to go on come of one answer;
// where Redis gives none, it is not waited for twice. An answer is used once, and not later.
func TestRedisIsAskedOnceAtATakeover(t *testing.T) {
	t.Parallel()
	withRedis(t, func(ctx context.Context, t *testing.T, redis *fakeRedis) {
		first, next := newBridge(ctx, redis, "first"), newBridge(ctx, redis, "next")
		first.lead(ctx, t, cluster.Start{System: 7, Timeline: 1, From: 8, Confirmed: 8, Fresh: true})
		first.publish(16)
		time.Sleep(2 * time.Second)
		asks := func(name string, want int64, goesOn bool) {
			t.Helper()
			before := next.dials.Load()
			if _, ok := next.Delivered(ctx); !ok {
				t.Errorf("%s: it knows of nothing that was delivered", name)
			}
			if _, _, ok := next.Place(ctx, 8); ok != goesOn {
				t.Errorf("%s: goes on: %v", name, ok)
			}
			if got := next.dials.Load() - before; got != want {
				t.Errorf("%s: Redis was asked %d times, want %d", name, got, want)
			}
		}
		asks("both", 1, true)
		if _, _, ok := next.Place(ctx, 8); !ok {
			t.Error("the place alone is not known")
		}
		next.Delivered(ctx)
		time.Sleep(3 * time.Second)
		before := next.dials.Load()
		if _, _, ok := next.Place(ctx, 8); !ok || next.dials.Load() == before {
			t.Errorf("the place, long after: %v, of an old answer: %v", ok, next.dials.Load() == before)
		}
		redis.set(func() { redis.asleep = true })
		began := time.Now()
		asks("no answer", 1, false)
		if took := time.Since(began); took != 500*time.Millisecond {
			t.Errorf("without an answer it took %v", took)
		}
		redis.wake()
	})
}

// TestALeaderWithoutEventsThatLeadsAgain: clients came to it before the first event, and another
// bridge has led meanwhile, whose events this one does not read any more. It says so, as a
// leader and as an edge.
func TestALeaderWithoutEventsThatLeadsAgain(t *testing.T) {
	t.Parallel()
	withRedis(t, func(ctx context.Context, t *testing.T, redis *fakeRedis) {
		first, second := newBridge(ctx, redis, "first"), newBridge(ctx, redis, "second")
		start := cluster.Start{System: 7, Database: 5, Timeline: 1, From: 8, Confirmed: 8, Fresh: true}
		for _, b := range []*bridgeOf{first, second} {
			b.lead(ctx, t, start)
			time.Sleep(2 * time.Second)
		}
		redis.flush()
		for _, b := range []*bridgeOf{first, second} {
			b.source.Store(&cluster.SourceState{}) // which does not know yet how far it is
		}
		start.From, start.Confirmed = 400, 400
		if err := first.Lead(ctx, start); err != nil {
			t.Fatal(err)
		}
		first.log.is(t, "one that leads again", []uint64(nil), []string{"rejoin"})
		first.publish(408)
		if err := second.Follow(ctx); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		second.log.is(t, "one that follows", []uint64{408}, []string{"rejoin"})
	})
}

// TestAnEdgeThatLeadsAfterWhatWasNotTrue: it has read an entry that no bridge wrote, and the leader
// has died before it could look at it. What the database has before that is not left out in silence.
func TestAnEdgeThatLeadsAfterWhatWasNotTrue(t *testing.T) {
	t.Parallel()
	withRedis(t, func(ctx context.Context, t *testing.T, redis *fakeRedis) {
		first, next := newBridge(ctx, redis, "first"), newBridge(ctx, redis, "next")
		first.lead(ctx, t, cluster.Start{System: 7, Database: 5, Timeline: 1, From: 8, Confirmed: 8, Fresh: true})
		first.publish(16)
		time.Sleep(3 * time.Second)
		if err := first.Follow(ctx); err != nil {
			t.Fatal(err)
		}
		redis.mu.Lock()
		redis.change(func(s *redisState) {
			s.put(epoch, append(s.stream(epoch), fakeEntry{at(400), []byte(forgedEntry(at(16), at(400)))}))
		})
		redis.mu.Unlock()
		time.Sleep(time.Second)
		next.lead(ctx, t, cluster.Start{System: 7, Database: 5, Timeline: 1, From: 8, Confirmed: 8, Fresh: true})
		next.publish(16, 304, 600)
		time.Sleep(3 * time.Second)
		next.log.mu.Lock()
		told := append([]string(nil), next.log.told...)
		next.log.mu.Unlock()
		if len(told) != 1 || !strings.HasPrefix(told[0], "restart") {
			t.Errorf("its own clients are told %v", told)
		}
		late := newBridge(ctx, redis, "late")
		time.Sleep(3 * time.Second)
		late.log.is(t, "one that comes late", []uint64{304, 600}, []string(nil))
	})
}
