package cluster_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"chatbridge/bridge/cluster"
	"chatbridge/internal/throwaway/redistest"
)

// slotKey is in the slot of all keys of the cluster "test".
const slotKey = "bridge:{test}:"

// dialer returns how to connect to an address, each time anew.
func dialer(t *testing.T, address string) cluster.Dial {
	t.Helper()
	dial, err := cluster.Redis(address, "test", known(history))
	if err != nil {
		t.Fatal(err)
	}
	return dial
}

// again connects anew until do works, as leaders and edges do.
func again(t *testing.T, dial cluster.Dial, do func(ctx context.Context, store cluster.Store) error) cluster.Store {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) { // polls other processes
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		store, err := dial(ctx)
		if err == nil {
			if err = do(ctx, store); err == nil {
				cancel()
				t.Cleanup(func() { _ = store.Close() })
				return store
			}
			_ = store.Close()
		}
		cancel()
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// TestRedisCluster: what a bridge does at Redis works whichever server of a Redis Cluster
// the address names, also a replica. When the master of the slot has died, whoever connects
// anew finds the one that took its place, also where the address names the dead one alone;
// what that lacks is no hole, and is not taken for sound.
func TestRedisCluster(t *testing.T) {
	t.Parallel()
	servers := redistest.StartCluster(t, slotKey)
	all := []string{servers.URL(), servers.Replica.URL()}
	for _, s := range servers.Masters {
		all = append(all, s.URL())
	}
	for _, address := range all {
		if failed := cluster.Try(t.Context(), address, "test"); len(failed) > 0 {
			t.Errorf("%s: %v", address, failed)
		}
	}
	if n := servers.Masters[0].Client().DBSize(t.Context()).Val(); n > 0 {
		t.Errorf("%d keys were left", n)
	}
	dial := dialer(t, servers.Masters[0].URL())
	store := again(t, dial, func(context.Context, cluster.Store) error { return nil })
	chain(t, store, 1, 3)
	s := startSessions(t, servers.Masters[0].URL(), time.Minute)
	s.Put("w", "pid", 1, []byte("one"), nil)
	await(t, "it is put", func() bool { return find(t, s, "pid").Sound })
	a, b := startBus(t, servers, "test"), startBus(t, servers.Masters[1], "test")
	a.Send(cluster.Notice{Kind: cluster.Typing, Workspace: "w"})
	b.next(t)

	servers.AwaitReplica()
	// What comes now is acknowledged by the master, and never on the replica.
	servers.Replica.Stop()
	servers.Masters[0].Cut()
	chain(t, store, 4, 5)
	if owned, err := s.Invalidate(t.Context(), "pid", 2); !owned || err != nil {
		t.Fatal(owned, err)
	}
	servers.FailOver()

	promoted := again(t, dial, func(ctx context.Context, store cluster.Store) error {
		last, err := store.Append(ctx, epoch, at(5), cluster.Append{ID: at(6), Entry: entry(at(5), at(6))})
		if err == nil && last != at(3) {
			t.Fatalf("an append after what was lost: %v", last)
		}
		return err
	})
	chain(t, promoted, 4, 6)
	ids, _ := read(t, promoted, cluster.ID{})
	same(t, "what is there", ids, "[1 2 3 4 5 6]")
	var k cluster.StoredSession
	await(t, "the session is found", func() (ok bool) {
		var err error
		k, err = s.Find(t.Context(), "pid")
		return err == nil
	})
	if k.Sound || k.Version != 1 {
		t.Errorf("what was told last is lost, and what is kept is %+v", k)
	}
	await(t, "they hear", func() bool { return a.Stats().Connected && b.Stats().Connected })
	await(t, "one is heard by the other", func() bool {
		a.Send(cluster.Notice{Kind: cluster.Typing, Workspace: "after"})
		for len(b.heard) > 0 {
			if n := <-b.heard; n.Workspace == "after" {
				return true
			}
		}
		return false
	})
}

// TestAMasterOfARedisClusterSleeps: it takes connections and says nothing, and when it
// wakes it believes that it is the master still. Whoever connects anew finds the one that
// took its place.
func TestAMasterOfARedisClusterSleeps(t *testing.T) {
	t.Parallel()
	servers := redistest.StartCluster(t, slotKey)
	dial := dialer(t, "redis://"+servers.Masters[0].Addr+"?addr="+servers.Masters[1].Addr)
	store := again(t, dial, func(context.Context, cluster.Store) error { return nil })
	chain(t, store, 1, 2)
	servers.AwaitReplica()
	asleep := servers.Masters[0]
	asleep.Stop()
	store = again(t, dial, func(ctx context.Context, store cluster.Store) error {
		last, err := store.Append(ctx, epoch, at(2), cluster.Append{ID: at(3), Entry: entry(at(2), at(3))})
		if err == nil && last != at(3) {
			t.Fatalf("an append: %v", last)
		}
		return err
	})
	asleep.Wake()
	chain(t, store, 4, 5)
	again(t, dial, func(ctx context.Context, store cluster.Store) error {
		last, err := store.Append(ctx, epoch, at(5), cluster.Append{ID: at(6), Entry: entry(at(5), at(6))})
		if err == nil && last != at(6) {
			t.Fatalf("an append where the former master had woken: %v", last)
		}
		return err
	})
	ids, _ := read(t, store, cluster.ID{})
	same(t, "what is there", ids, "[1 2 3 4 5 6]")
}

// TestServersOfNoRedisCluster are told to be none, with what the address should be.
func TestServersOfNoRedisCluster(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	sentinel := redistest.Sentinel(t, "crm", server)
	for _, s := range []*redistest.Server{server, sentinel} {
		store := dial(t, s.URL()+"?addr="+s.Addr)
		_, err := store.LastBeat(t.Context())
		if err == nil || !strings.Contains(err.Error(), "leave addr out") || !strings.Contains(err.Error(), "master_name") {
			t.Errorf("of %s: %v", s.Addr, err)
		}
	}
}

// TestTheSlotIsMoved to another master of a Redis Cluster: what is there is found wherever
// it is at that moment, once, by those who are connected.
func TestTheSlotIsMoved(t *testing.T) {
	t.Parallel()
	servers := redistest.StartCluster(t, slotKey)
	from, to := servers.Masters[0], servers.Masters[1]
	store := dial(t, servers.URL())
	s := startSessions(t, servers.URL(), time.Minute)
	a, b := startBus(t, servers, "test"), startBus(t, servers, "test")
	chain(t, store, 1, 2)
	if _, _, err := store.Beat(t.Context(), epoch, at(2), cluster.ID{}, 5, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	s.Put("w", "stays", 1, []byte("one"), nil)
	await(t, "it is put", func() bool { return find(t, s, "stays").Sound })

	servers.BeginMove(from, to)
	chain(t, store, 3, 3)
	servers.MoveKeys(from, to, slotKey+epoch.String())
	chain(t, store, 4, 4)
	// The beat is another key, which is not there yet.
	if _, _, err := store.Beat(t.Context(), epoch, at(4), cluster.ID{}, 6, []byte("{}")); err == nil || !strings.Contains(err.Error(), "TRYAGAIN") {
		t.Errorf("a beat of a stream that is elsewhere: %v", err)
	}
	for _, pid := range []string{"new", "newer", "stays"} {
		s.Put("w", pid, 2, []byte("two"), nil)
	}
	for _, pid := range []string{"new", "newer", "stays"} {
		await(t, "it is put", func() bool { k := find(t, s, pid); return k.Sound && k.Version == 2 })
	}
	servers.MoveKeys(from, to)
	chain(t, store, 5, 5)
	if last, _, err := store.Beat(t.Context(), epoch, at(5), cluster.ID{}, 7, []byte("{}")); err != nil || last != at(5) {
		t.Errorf("a beat after the keys were moved: %v, %v", last, err)
	}
	servers.EndMove(from, to)
	chain(t, store, 6, 6)
	ids, _ := read(t, store, cluster.ID{})
	same(t, "what is there", ids, "[1 2 3 4 5 6]")
	if k := find(t, s, "stays"); k.Sound || k.Version != 2 {
		t.Errorf("what another server was told: %+v", k)
	}
	a.Send(cluster.Notice{Kind: cluster.Typing, Workspace: "w"})
	b.next(t)

	// When it comes back, another server has been asked meanwhile, and may have lost what
	// it was told.
	servers.Move(to, from)
	if k := find(t, s, "stays"); k.Sound {
		t.Error("what was told before the slot was elsewhere is taken for sound")
	}
	chain(t, store, 7, 7)
}

// TestWhatAFormerMasterWasToldIsNotSound: a master that became a replica leads again, and
// lacks what the one between was told.
func TestWhatAFormerMasterWasToldIsNotSound(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	replica := redistest.Replica(t, server)
	s := startSessions(t, server.URL(), time.Minute)
	s.Put("w", "pid", 1, []byte("one"), nil)
	await(t, "it is put", func() bool { return find(t, s, "pid").Sound })
	follow := func(who *redistest.Server, host, port string) {
		t.Helper()
		if err := who.Client().ReplicaOf(t.Context(), host, port).Err(); err != nil {
			t.Fatal(err)
		}
	}
	replica.Await("it is there", func(ctx context.Context, c *redis.Client) bool { return c.DBSize(ctx).Val() == 1 })
	follow(replica, "NO", "ONE")
	host, port, _ := strings.Cut(replica.Addr, ":")
	follow(server, host, port)
	server.Await("it follows", func(ctx context.Context, c *redis.Client) bool {
		return strings.Contains(c.Info(ctx, "replication").Val(), "master_link_status:up")
	})
	follow(server, "NO", "ONE")
	if k := find(t, s, "pid"); k.Sound || k.Version != 1 {
		t.Errorf("what is kept is %+v", k)
	}
}

// TestTheNewestAnswerIsBelieved of those that see a majority of the masters.
func TestTheNewestAnswerIsBelieved(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		whole      bool
		epoch      uint64
		otherWhole bool
		otherEpoch uint64
		want       bool
	}{
		{true, 8, true, 7, true},
		{true, 7, true, 8, false},
		{true, 7, true, 7, false},
		{true, 7, false, 8, true},
		{false, 8, true, 7, false},
		{false, 8, false, 7, true},
		{false, 1, false, 0, true},
		{false, 0, false, 1, false},
	} {
		if got := cluster.Better(tt.whole, tt.epoch, tt.otherWhole, tt.otherEpoch); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}

// TestAddressesThatServersTell are those at which the bridge reaches them.
func TestAddressesThatServersTell(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ asked, told, want string }{
		{"redis-1:6379", "10.0.0.5:6379", "10.0.0.5:6379"},
		{"redis-1:6379", "redis-2.internal:6380", "redis-2.internal:6380"},
		{"redis-1:6379", ":6380", "redis-1:6380"},
		{"redis-1:6379", "?:6380", "redis-1:6380"},
		{"redis-1:6379", "127.0.0.1:6380", "redis-1:6380"},
		{"127.0.0.1:6379", "127.0.0.1:6380", "127.0.0.1:6380"},
		{"redis-1:6379", "10.0.0.5:0", "10.0.0.5:6379"},
		{"[::1]:6379", "[fd00::5]:6380", "[fd00::5]:6380"},
	} {
		if got := cluster.SeenFrom(tt.asked, tt.told); got != tt.want {
			t.Errorf("%s, asked of %s: %s, want %s", tt.told, tt.asked, got, tt.want)
		}
	}
}
