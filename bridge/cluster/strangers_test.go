package cluster_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"chatbridge/bridge/cluster"
	"chatbridge/internal/throwaway/redistest"
)

// named is a node of a database that says so of itself.
func named(of cluster.History, name string, prints map[string]string) func(*cluster.BusOptions) {
	return func(o *cluster.BusOptions) {
		o.Shared.Belong(of)
		o.About = func() cluster.About { return cluster.About{Name: name, Fingerprints: prints} }
	}
}

// names are those of peers.
func names(peers []cluster.Peer) (all []string) {
	for _, p := range peers {
		all = append(all, p.About.Name)
	}
	return all
}

// TestNodesOfAnotherDatabaseAreNotObeyed, also of another one of the same server, and of one
// that does not know yet; each names the others.
func TestNodesOfAnotherDatabaseAreNotObeyed(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	other := cluster.History{System: history.System, Database: history.Database + 1}
	far := cluster.History{System: history.System + 1, Database: history.Database}
	a := startBus(t, server, "one", named(history, "a/1", nil))
	b := startBus(t, server, "one", named(history, "b/2", nil))
	strangers := []*busTest{startBus(t, server, "one", named(other, "c/3", nil)), startBus(t, server, "one", named(far, "d/4", nil))}
	startBus(t, server, "one", named(cluster.History{}, "e/5", nil))
	await(t, "who is there", func() bool {
		o := a.Others()
		return slices.Equal(names(o.Same), []string{"b/2"}) && slices.Equal(names(o.Foreign), []string{"c/3", "d/4"}) && a.Stats().Peers == 1
	})
	for i, s := range strangers {
		await(t, "who is there, for a stranger", func() bool { o := s.Others(); return len(o.Same) == 0 && len(o.Foreign) == 3 })
		if _, ok := a.Peer(s.id); ok {
			t.Errorf("requests would be passed on to stranger %d", i)
		}
		for _, kind := range []cluster.NoticeKind{cluster.Typing, cluster.Left, cluster.Ordered, cluster.Freed} {
			s.Send(cluster.Notice{Kind: kind, Workspace: "w", User: "u"})
		}
		await(t, "what it told is out", func() bool { return s.Stats().Sent == 4 })
	}
	b.Send(cluster.Notice{Kind: cluster.Left, Workspace: "w", User: "last"})
	if got := a.next(t); got.User != "last" || len(a.heard) > 0 {
		t.Errorf("heard %+v, and %d more", got, len(a.heard))
	}
}

// TestKeysOfTwoDatabasesDoNotMeet: orders, claims, sessions and the leader's beat.
func TestKeysOfTwoDatabasesDoNotMeet(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	other := cluster.History{System: history.System, Database: history.Database + 1}
	open := func(of cluster.History) (*cluster.Shared, cluster.Store) {
		shared, err := cluster.NewShared(server.URL(), "test")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(shared.Close)
		shared.Belong(of)
		connect, err := cluster.Redis(server.URL(), "test", known(of))
		if err != nil {
			t.Fatal(err)
		}
		store, err := connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = store.Close() })
		return shared, store
	}
	ours, store := open(history)
	theirs, foreign := open(other)
	claim := func(s *cluster.Shared, value string) string {
		has, err := cluster.NewClaims(s).Claim(t.Context(), "w", "id", value, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return has
	}
	if a, b := claim(ours, "ours"), claim(theirs, "theirs"); a != "ours" || b != "theirs" {
		t.Errorf("claims for %q and %q", a, b)
	}
	if _, _, err := store.Beat(t.Context(), epoch, cluster.ID{}, cluster.ID{}, 5, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if b, err := foreign.LastBeat(t.Context()); err != nil || b.Text != nil {
		t.Errorf("the beat of another database: %s, %v", b.Text, err)
	}
	if _, err := store.Append(t.Context(), epoch, cluster.ID{}, cluster.Append{ID: at(1), Entry: entry(cluster.ID{}, at(1))}); err != nil {
		t.Fatal(err)
	}
	e := epoch
	e.Database = other.Database
	if last, err := foreign.Append(t.Context(), e, cluster.ID{}, cluster.Append{ID: at(9), Entry: entry(cluster.ID{}, at(9))}); err != nil || last != at(9) {
		t.Errorf("its own stream ends with %v, %v", last, err)
	}
	for _, s := range []*cluster.Shared{ours, theirs} {
		orders := cluster.NewOrders(s, s.History().String(), func(cluster.Order) {}, func() {}, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- orders.Run(ctx) }()
		t.Cleanup(func() { cancel(); <-done })
		orders.Give("of " + s.History().String())
		want := "bridge:{test}:" + s.History().String() + ":order"
		await(t, "the order "+want, func() bool {
			return strings.Contains(server.Client().Get(t.Context(), want).Val(), "of "+s.History().String())
		})
	}
	shared, err := cluster.NewShared(server.URL(), "test")
	if err != nil {
		t.Fatal(err)
	}
	defer shared.Close()
	if _, err := cluster.NewClaims(shared).Claim(t.Context(), "w", "id", "x", time.Minute); err == nil {
		t.Error("a claim of nobody knows which database")
	}
	errUnknown := errors.New("not known")
	connect, err := cluster.Redis(server.URL(), "test", func(context.Context) (cluster.History, error) { return cluster.History{}, errUnknown })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := connect(t.Context()); !errors.Is(err, errUnknown) {
		t.Errorf("a bridge that does not know its database reads: %v", err)
	}
}

// TestWhoIsAsked: `bridge check` learns who lives without being a node, and what differs; a
// bridge of the format before is told of by its address, by nodes too.
func TestWhoIsAsked(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	ask := func() cluster.Others {
		t.Helper()
		o, err := cluster.Ask(t.Context(), server.URL(), "one", history)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	if o := ask(); len(o.Same)+len(o.Foreign)+len(o.Outdated) > 0 {
		t.Errorf("nobody is there: %+v", o)
	}
	long := strings.Repeat("x", 300)
	a := startBus(t, server, "one", named(history, "a\n/1", map[string]string{"mapping": "1", "replay.window": "5m", "only": long}))
	startBus(t, server, "one", named(cluster.History{System: 1}, "b/2", nil))
	await(t, "they know each other", func() bool { return len(a.Others().Foreign) == 1 })
	o := ask()
	if !slices.Equal(names(o.Same), []string{"a?/1"}) || !slices.Equal(names(o.Foreign), []string{"b/2"}) || len(o.Same[0].About.Fingerprints["only"]) > 128 {
		t.Errorf("asked, there are %+v", o)
	}
	if a.Stats().Peers != 0 {
		t.Error("who asks counts as a bridge")
	}
	here := cluster.About{Fingerprints: map[string]string{"mapping": "2", "replay.window": "5m", "another": "y"}}
	if d := here.Differences(&o.Same[0].About); !slices.Equal(d, []cluster.Difference{{Setting: "mapping", Here: "2", There: "1"}}) {
		t.Errorf("what differs: %+v", d)
	}

	before := "\x02\x01\x0a0123456789\x00\x14http://10.0.0.5:8080\x00\x06secret"
	if err := server.Client().Publish(t.Context(), "bridge:{one}:bus", before).Err(); err != nil {
		t.Fatal(err)
	}
	await(t, "a bridge of the format before", func() bool {
		o := a.Others()
		return slices.Equal(o.Outdated, []string{"http://10.0.0.5:8080"}) && o.Format == 2
	})
	await(t, "that it has gone", func() bool { return len(a.Others().Outdated) == 0 })
}

// TestAnotherDatabaseIsAnotherHistory: what an edge was given of one database of a server is
// none of another one that it comes to lead.
func TestAnotherDatabaseIsAnotherHistory(t *testing.T) {
	t.Parallel()
	e := cluster.Epoch{System: 7, Database: 5, Timeline: 1, Count: 2}
	same, other := e, e
	same.Timeline++
	other.Database++
	if !same.Continues(e) || other.Continues(e) || e.String() == other.String() {
		t.Errorf("%s goes on with %s: %t, and with %s: %t", same, e, same.Continues(e), other, other.Continues(e))
	}
	withRedis(t, func(ctx context.Context, t *testing.T, redis *fakeRedis) {
		b := newBridge(ctx, redis, "b")
		b.lead(ctx, t, cluster.Start{System: 7, Database: 5, Timeline: 1, From: 100, Confirmed: 100, Fresh: true})
		b.publish(110, 120)
		time.Sleep(2 * time.Second)
		if err := b.Follow(ctx); err != nil {
			t.Fatal(err)
		}
		b.lead(ctx, t, cluster.Start{System: 7, Database: 6, Timeline: 1, From: 90, Confirmed: 90, Fresh: true})
		if got, _ := b.Leader().Epoch(); got.Database != 6 || got.Count != 0 {
			t.Errorf("it leads %s", got)
		}
		b.publish(100)
		time.Sleep(2 * time.Second)
		late := newBridge(ctx, redis, "late")
		time.Sleep(2 * time.Second)
		late.log.is(t, "a bridge that came late", []uint64{100}, []string(nil))
	})
}
