package cluster_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"chatbridge/bridge/cluster"
	"chatbridge/internal/throwaway/redistest"
)

var (
	epoch   = cluster.Epoch{System: 7, Database: 5, Timeline: 1}
	history = epoch.History()
)

// known is a history for cluster.Redis.
func known(h cluster.History) func(context.Context) (cluster.History, error) {
	return func(context.Context) (cluster.History, error) { return h, nil }
}

func entry(prev, id cluster.ID) []byte {
	return (&cluster.Entry{Epoch: epoch, Prev: prev, ID: id}).Append(nil)
}

func at(commit uint64) cluster.ID { return cluster.ID{Commit: commit, Sub: 1 << 20} }

func dial(t *testing.T, address string) cluster.Store {
	t.Helper()
	connect, err := cluster.Redis(address, "test", known(history))
	if err != nil {
		t.Fatal(err)
	}
	store, err := connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// chain appends entries one after the other.
func chain(t *testing.T, store cluster.Store, from, to uint64) {
	t.Helper()
	prev := cluster.ID{}
	if from > 1 {
		prev = at(from - 1)
	}
	for commit := from; commit <= to; commit++ {
		if last, err := store.Append(t.Context(), epoch, prev, cluster.Append{ID: at(commit), Entry: entry(prev, at(commit))}); err != nil || last != at(commit) {
			t.Fatalf("append %d: %v, %v", commit, last, err)
		}
		prev = at(commit)
	}
}

// read returns the IDs of the entries after one.
func read(t *testing.T, store cluster.Store, after cluster.ID) (ids []uint64, beat string) {
	t.Helper()
	reply, err := store.Read(t.Context(), epoch, after, "0-0", time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range reply.Entries {
		e, err := cluster.DecodeEntry(data)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, e.ID.Commit)
	}
	return ids, string(reply.Beat.Text)
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// TestAppendComparesFirst: real Redis appends after the entry that is the last, and else
// answers with that, whatever the new one is.
func TestAppendComparesFirst(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	store := dial(t, server.URL())
	chain(t, store, 1, 3)
	for name, tt := range map[string]struct {
		last cluster.ID
		a    cluster.Append
	}{
		"after an earlier one": {at(2), cluster.Append{ID: at(9), Entry: entry(at(2), at(9))}},
		"after a later one":    {at(4), cluster.Append{ID: at(9), Entry: entry(at(4), at(9))}},
		"of an empty stream":   {cluster.ID{}, cluster.Append{ID: at(9), Entry: entry(cluster.ID{}, at(9))}},
		"in place of all":      {at(2), cluster.Append{Replace: true, ID: at(9), Entry: entry(at(2), at(9))}},
		"removing all":         {at(4), cluster.Append{Replace: true}},
	} {
		if last, err := store.Append(t.Context(), epoch, tt.last, tt.a); err != nil || last != at(3) {
			t.Errorf("%s: %v, %v, want the last one", name, last, err)
		}
	}
	if last, _, err := store.Beat(t.Context(), epoch, at(2), cluster.ID{}, 5, []byte("{}")); err != nil || last != at(3) {
		t.Errorf("a beat that knows another end: %v, %v", last, err)
	}
	ids, beat := read(t, store, cluster.ID{})
	same(t, "what is there", ids, "[1 2 3]")
	same(t, "the beat", beat, "")

	if last, _, err := store.Beat(t.Context(), epoch, at(3), at(2), 5, []byte("{}")); err != nil || last != at(3) {
		t.Errorf("a beat: %v, %v", last, err)
	}
	ids, beat = read(t, store, cluster.ID{})
	same(t, "what a beat left", ids, "[2 3]")
	same(t, "the beat", beat, "{}")

	// A leader that was replaced takes nothing back.
	if last, _, err := store.Beat(t.Context(), epoch, at(3), at(2), 4, []byte("{}")); err != nil || last != at(3) {
		t.Errorf("a beat: %v, %v", last, err)
	}
	if b, err := store.LastBeat(t.Context()); err != nil || b.Through != 5 {
		t.Errorf("the last beat: %+v, %v", b, err)
	}

	// Lower IDs than before can follow when all is replaced.
	if last, err := store.Append(t.Context(), epoch, at(3), cluster.Append{Replace: true, ID: at(2), Entry: entry(at(1), at(2))}); err != nil || last != at(2) {
		t.Errorf("in place of all: %v, %v", last, err)
	}
	ids, _ = read(t, store, cluster.ID{})
	same(t, "what is there then", ids, "[2]")
	if last, err := store.Append(t.Context(), epoch, at(2), cluster.Append{Replace: true}); err != nil || !last.IsZero() {
		t.Errorf("removing all: %v, %v", last, err)
	}
	chain(t, store, 1, 1)
}

// TestALostTailIsNoHole: a replica that lacks the last entries is promoted. A bare XADD
// would leave a hole that says nothing; the append is refused, and tells what is there.
func TestALostTailIsNoHole(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t)
	replica := redistest.Replica(t, master)
	store := dial(t, master.URL())
	chain(t, store, 1, 3)
	replica.Await("the entries are there", func(ctx context.Context, c *redis.Client) bool {
		return c.XLen(ctx, "bridge:{test}:"+epoch.String()).Val() == 3
	})
	// What comes now is acknowledged by the master, and never on the replica.
	replica.Stop()
	master.Cut()
	chain(t, store, 4, 5)
	master.Kill()
	replica.Wake()
	if err := replica.Client().ReplicaOf(t.Context(), "NO", "ONE").Err(); err != nil {
		t.Fatal(err)
	}
	promoted := dial(t, replica.URL())
	last, err := promoted.Append(t.Context(), epoch, at(5), cluster.Append{ID: at(6), Entry: entry(at(5), at(6))})
	if err != nil || last != at(3) {
		t.Fatalf("an append after what was lost: %v, %v", last, err)
	}
	chain(t, promoted, 4, 6)
	ids, _ := read(t, promoted, cluster.ID{})
	same(t, "what is there", ids, "[1 2 3 4 5 6]")
}

// TestAfterAFailoverOfSentinelANewClientFindsTheMaster: an edge connects anew when it
// hears nothing, which has to lead to the new master.
func TestAfterAFailoverOfSentinelANewClientFindsTheMaster(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t)
	replica := redistest.Replica(t, master)
	sentinel := redistest.Sentinel(t, "crm", master)
	sentinel.Await("it knows the replica", func(ctx context.Context, c *redis.Client) bool {
		slaves, _ := c.Do(ctx, "sentinel", "replicas", "crm").Slice()
		return len(slaves) == 1
	})
	url := sentinel.SentinelURL("crm")
	chain(t, dial(t, url), 1, 2)
	replica.Await("the entries are there", func(ctx context.Context, c *redis.Client) bool {
		return c.XLen(ctx, "bridge:{test}:"+epoch.String()).Val() == 2
	})
	for _, gone := range []func(){master.Stop, master.Kill} { // silent first, as with a cut network
		gone()
	}
	replica.Await("it is the master", func(ctx context.Context, c *redis.Client) bool {
		role, _ := c.Do(ctx, "role").Slice()
		return len(role) > 0 && role[0] == "master"
	})
	deadline := time.Now().Add(20 * time.Second)
	for {
		store := dial(t, url)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		last, err := store.Append(ctx, epoch, at(2), cluster.Append{ID: at(3), Entry: entry(at(2), at(3))})
		cancel()
		if err == nil && last == at(3) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the new master was not found: %v, %v", last, err)
		}
	}
}

// TestAddressesThatCannotWork are refused, without the password.
func TestAddressesThatCannotWork(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"http://u:hidden@h", "redis://:hidden@h:port", "redis://:hidden@h/x?master_name=m", "redis://:hidden@h?nonsense=1", "redis://:hidden@h/3?addr=h2:6379", "redis://:hidden@h?addr=h2", "redis://:hidden@h?addr=h2:6379&nonsense=1"} {
		if _, err := cluster.Redis(address, "test", known(history)); err == nil {
			t.Errorf("%s was taken", address)
		} else if got := err.Error(); len(got) < 20 || strings.Contains(got, "hidden") {
			t.Errorf("%s: %s", address, got)
		}
	}
}

// TestCredentialsOfRedisRotate: connections that are made after the password was changed
// have the new one, once it is given; until then they are refused.
func TestCredentialsOfRedisRotate(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	host := strings.TrimPrefix(server.URL(), "redis://")
	sentinel := strings.TrimPrefix(redistest.Sentinel(t, "crm", server).SentinelURL("crm"), "redis://")
	for name, address := range map[string]func(password string) string{
		"alone":         func(p string) string { return "redis://bridge:" + p + "@" + host },
		"with Sentinel": func(p string) string { return "redis://" + sentinel + "&username=bridge&password=" + p },
	} {
		set := func(password string) {
			server.Await("the password is "+password, func(ctx context.Context, c *redis.Client) bool {
				if err := c.Do(ctx, "acl", "setuser", "bridge", "reset", "on", "~*", "&*", "+@all", ">"+password).Err(); err != nil {
					t.Error(err)
				}
				_ = c.Do(ctx, "client", "kill", "user", "bridge").Err()
				return true
			})
		}
		set("first")
		var now atomic.Pointer[string]
		give := func(password string) { a := address(password); now.Store(&a) }
		give("first")
		connect, err := cluster.Redis(address("first"), name, known(history), func() string { return *now.Load() })
		if err != nil {
			t.Fatal(err)
		}
		store, err := connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = store.Close() })
		chain(t, store, 1, 2)
		set("second")
		var refusal error
		for refusal == nil || !strings.Contains(refusal.Error(), "WRONGPASS") { // at first, that the connection is closed
			if _, refusal = store.LastBeat(t.Context()); refusal == nil {
				t.Fatalf("%s: the old password counts", name)
			}
		}
		give("second")
		chain(t, store, 3, 4)
	}
}
