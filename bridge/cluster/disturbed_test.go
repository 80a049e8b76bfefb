package cluster_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"chatbridge/bridge/cluster"
	"chatbridge/internal/throwaway/redistest"
	"chatbridge/source"
)

// logged is a log that can be asked.
type logged struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(p)
}

func (l *logged) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.String(), text)
}

// disturbed is a leader and an edge on a real Redis.
type disturbed struct {
	*redistest.Server
	t        *testing.T
	c        *redis.Client
	leader   *cluster.Node
	edge     *cluster.Node
	follower heard
	log      logged
	through  atomic.Uint64
	// end is that of the database's log; where it does not have the slot another one leads.
	end    atomic.Uint64
	others atomic.Bool
}

const streamKey, beatKey = "bridge:{test}:7.5.1.0", "bridge:{test}:7.5:beat"

func newDisturbed(t *testing.T, args ...string) *disturbed {
	t.Helper()
	d := prepareDisturbed(t, args...)
	d.lead()
	return d
}

func (d *disturbed) lead() {
	d.t.Helper()
	if err := d.leader.Lead(d.t.Context(), cluster.Start{System: 7, Database: 5, Timeline: 1, From: 8, Confirmed: 8, Fresh: true}); err != nil {
		d.t.Fatal(err)
	}
}

func prepareDisturbed(t *testing.T, args ...string) *disturbed {
	t.Helper()
	d := &disturbed{Server: redistest.Start(t, args...), t: t}
	d.c = d.Client()
	d.end.Store(1000)
	dial, err := cluster.Redis(d.URL(), "test", known(history))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	t.Cleanup(func() { cancel(); running.Wait() })
	start := func(f cluster.Follower, name string) *cluster.Node {
		n := cluster.NewNode(cluster.NodeOptions{
			Dial: dial, Follower: f, Name: name, Keep: time.Hour, MaxItems: 100_000, MaxBytes: 64 << 20,
			Source: func() cluster.SourceState {
				return cluster.SourceState{Through: d.through.Load(), Streaming: true, Flowing: true}
			},
			Database: func(context.Context) (cluster.Database, error) {
				return cluster.Database{End: d.end.Load(), Ours: !d.others.Load()}, nil
			},
			Logger: slog.New(slog.NewTextHandler(&d.log, nil)),
		})
		running.Go(func() { _ = n.Run(ctx) })
		return n
	}
	d.leader, d.edge = start(&heard{}, "leader"), start(&d.follower, "edge")
	return d
}

// publish gives the leader transactions.
func (d *disturbed) publish(commits ...uint64) {
	for _, c := range commits {
		d.leader.Leader().Begin(c)
		d.leader.Leader().Publish(source.Position{Commit: c, Index: 1}, record(c, 1), time.Now())
		d.through.Store(c + 1)
	}
}

// reads waits until the edge was given a transaction, and hears the leader.
func (d *disturbed) reads(commit uint64) {
	d.t.Helper()
	await(d.t, fmt.Sprintf("the edge has %d", commit), func() bool {
		d.follower.mu.Lock()
		defer d.follower.mu.Unlock()
		s := d.edge.EdgeStats()
		n := len(d.follower.places)
		return n > 0 && d.follower.places[n-1] == commit && s.Connected && s.Joined
	})
}

func (d *disturbed) do(args ...any) {
	d.t.Helper()
	if err := d.c.Do(d.t.Context(), args...).Err(); err != nil {
		d.t.Fatal(err)
	}
}

func (d *disturbed) stats() cluster.LeaderStats { return d.leader.Leader().Stats() }

// forgedEntry is one of this version after another, up to a place, with a member's record.
func forgedEntry(prev, id cluster.ID) string {
	e := cluster.Entry{Epoch: epoch, Prev: prev, ID: id, Records: []cluster.Record{{Kind: cluster.MemberJoined, ID: id, Workspace: []byte("w"), Key: []byte("u")}}}
	return string(e.Append(nil))
}

// TestWhatNoBridgeWrote: whatever becomes of the keys of the stream, the edge has what comes
// next, and where edges may have believed something that is not true, they drop what they
// have, which is said once.
func TestWhatNoBridgeWrote(t *testing.T) {
	t.Parallel()
	other := forgedEntry(at(16), at(24))
	other = string([]byte{103}) + other[1:]
	for name, tt := range map[string]struct {
		disturb func(d *disturbed)
		renewed bool
	}{
		"a forged entry ahead of the database": {func(d *disturbed) {
			d.do("xadd", streamKey, at(8000).String(), "e", forgedEntry(at(16), at(8000)))
		}, true},
		"a forged entry that the database's log has grown past": {func(d *disturbed) {
			d.do("xadd", streamKey, at(500).String(), "e", forgedEntry(at(16), at(500)))
			d.publish(24, 504)
		}, true},
		"an entry of another history": {func(d *disturbed) {
			e := cluster.Entry{Epoch: cluster.Epoch{System: 8, Timeline: 1}, Prev: at(16), ID: at(24)}
			d.do("xadd", streamKey, at(24).String(), "e", string(e.Append(nil)))
		}, true},
		"garbage":              {func(d *disturbed) { d.do("xadd", streamKey, "24-0", "x", "y") }, true},
		"another format":       {func(d *disturbed) { d.do("xadd", streamKey, at(24).String(), "e", other) }, true},
		"the last possible id": {func(d *disturbed) { d.do("xadd", streamKey, "18446744073709551615-18446744073709551615", "e", "x") }, true},
		"an entry that was there for a moment": {func(d *disturbed) {
			d.do("xadd", streamKey, at(8000).String(), "e", forgedEntry(at(16), at(8000)))
			d.do("xdel", streamKey, at(8000).String())
			d.publish(24)
		}, true},
		"the last entry deleted":   {func(d *disturbed) { d.do("xdel", streamKey, at(16).String()) }, false},
		"the stream deleted":       {func(d *disturbed) { d.do("del", streamKey) }, false},
		"the stream a string":      {func(d *disturbed) { d.do("set", streamKey, "garbage") }, false},
		"the stream a list":        {func(d *disturbed) { d.do("del", streamKey); d.do("rpush", streamKey, "x") }, false},
		"the beat deleted":         {func(d *disturbed) { d.do("del", beatKey) }, false},
		"the beat a string":        {func(d *disturbed) { d.do("set", beatKey, "garbage") }, false},
		"a beat that is none":      {func(d *disturbed) { d.do("xadd", beatKey, "*", "x", "y") }, false},
		"a beat that is no JSON":   {func(d *disturbed) { d.do("xadd", beatKey, "*", "b", "{", "t", "1") }, false},
		"a beat with the last id":  {func(d *disturbed) { d.do("xadd", beatKey, "18446744073709551615-18446744073709551615", "x", "y") }, false},
		"a beat without its place": {func(d *disturbed) { d.do("xadd", beatKey, "*", "e", epoch.String()) }, false},
		"a beat ahead of the database": {func(d *disturbed) {
			d.do("xadd", beatKey, "*", "b", fmt.Sprintf(`{"v":%d,"epoch":{"system":"7","database":5,"timeline":1,"count":0}}`, cluster.FormatVersion), "e", epoch.String(), "l", fmt.Sprintf("%020d-%020d", 0, 0), "t", fmt.Sprintf("%020d", uint64(math.MaxUint64)))
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDisturbed(t)
			d.publish(16)
			d.reads(16)
			tt.disturb(d)
			if tt.renewed {
				await(t, "the stream is begun anew", func() bool { return d.stats().Renewed > 0 })
			}
			d.publish(600)
			d.reads(600)
			beats := d.stats().Beats
			await(t, "the leader is well", func() bool {
				s := d.stats()
				return s.Connected && s.Waiting == 0 && s.Warning == "" && s.Beats > beats
			})
			if s := d.stats(); s.Renewed > 0 != tt.renewed || s.Renewed > 1 {
				t.Errorf("begun anew %d times, want %v", s.Renewed, tt.renewed)
			}
			if n := d.log.count("that no bridge of this cluster wrote; beginning it anew"); n > 1 || n == 1 != tt.renewed {
				t.Errorf("said %d times", n)
			}
		})
	}
}

// TestNothingIsRemovedWithoutTheSlot: what another bridge wrote, of a later version too, stays
// while this one may have been replaced; and nothing is confirmed because of it.
func TestNothingIsRemovedWithoutTheSlot(t *testing.T) {
	t.Parallel()
	d := newDisturbed(t)
	d.publish(16)
	d.reads(16)
	d.others.Store(true)
	d.do("xadd", streamKey, at(8000).String(), "e", forgedEntry(at(16), at(8000)))
	d.publish(24)
	await(t, "the leader has noticed", func() bool { return d.stats().Refused > 0 })
	beats := d.stats().Beats
	await(t, "it goes on", func() bool { return d.stats().Beats > beats+1 })
	if n := d.c.XLen(t.Context(), streamKey).Val(); n != 2 {
		t.Errorf("the stream has %d entries", n)
	}
	if held := d.leader.Leader().Held(); held > 17 {
		t.Errorf("all before %d counts as held by Redis", held)
	}
	d.others.Store(false)
	d.reads(24)
}

// TestALaterVersionIsRefusedByName, by leader and edge, and nothing of it is removed: a bridge of
// that version may lead again in a moment. What an earlier version left is replaced.
func TestALaterVersionIsRefusedByName(t *testing.T) {
	t.Parallel()
	d := prepareDisturbed(t)
	left := func(version int) {
		d.do("del", beatKey, streamKey)
		d.do("xadd", streamKey, at(16).String(), "e", string([]byte{byte(version)})+forgedEntry(at(8), at(16))[1:])
		d.do("xadd", beatKey, "*", "b", fmt.Sprintf(`{"v":%d}`, version), "e", epoch.String(), "l", fmt.Sprintf("%020d-%020d", 16, 1<<20), "t", fmt.Sprintf("%020d", 17))
	}
	left(103)
	d.lead()
	d.publish(24)
	await(t, "both say which version", func() bool {
		return strings.Contains(d.stats().Error, "format 103") && strings.Contains(d.edge.EdgeStats().Error, "format 103")
	})
	if n := d.c.XLen(t.Context(), streamKey).Val(); n != 1 {
		t.Errorf("the stream has %d entries", n)
	}
	if n := d.c.XLen(t.Context(), beatKey).Val(); n != 1 {
		t.Errorf("there are %d beats", n)
	}
	if held := d.leader.Leader().Held(); held > 8 {
		t.Errorf("all before %d counts as held by Redis", held)
	}
	left(1)
	d.reads(24)
}

// TestAHoleInTheStream: two entries in the middle were deleted. An edge that had not read them
// begins after the last one.
func TestAHoleInTheStream(t *testing.T) {
	t.Parallel()
	d := newDisturbed(t)
	for _, c := range []uint64{16, 24, 32, 40, 48} {
		d.publish(c)
		d.reads(c)
	}
	d.do("xdel", streamKey, at(24).String(), at(40).String())
	dial, err := cluster.Redis(d.URL(), "test", known(history))
	if err != nil {
		t.Fatal(err)
	}
	var late heard
	edge := cluster.NewEdge(cluster.EdgeOptions{Dial: dial, Follower: &late, Keep: time.Hour, MaxItems: 100, MaxBytes: 1 << 20, Logger: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- edge.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	await(t, "the edge is whole", func() bool { return edge.Stats().Joined })
	if s := edge.Stats(); s.Rejoins > 5 || s.From != at(40) {
		t.Errorf("it began %d times anew, and has all after %v", s.Rejoins, s.From)
	}
}

// oftenLost is how many losses the alert BridgeClusterRefills wants, too.
const oftenLost = 4

// TestARedisThatEvicts: a Redis that removes the stream to make room is not filled again
// without a pause, and the reason is said with the remedy.
func TestARedisThatEvicts(t *testing.T) {
	t.Parallel()
	d := newDisturbed(t, "--maxmemory", "4mb", "--maxmemory-policy", "allkeys-lru", "--maxmemory-samples", "10")
	d.end.Store(math.MaxUint64)
	text := bytes.Repeat([]byte("x"), 32<<10)
	for c := uint64(16); c < 16+8*300; c += 8 {
		d.leader.Leader().Begin(c)
		r := record(c, 1)
		r.Text = text
		d.leader.Leader().Publish(source.Position{Commit: c, Index: 1}, r, time.Now())
	}
	began := time.Now()
	await(t, "the reason is said", func() bool { return strings.Contains(d.stats().WarningRemedy, "noeviction") })
	// It was filled after 50, 100, 200 ms and so on, and then every 10 s, less a quarter.
	if n, took := d.stats().Refills, time.Since(began); n < oftenLost || n > 8+uint64(took/(5*time.Second)) {
		t.Errorf("it was filled again %d times within %s", n, took)
	}
	if n := d.log.count("and has evicted"); n != 1 {
		t.Errorf("the reason was said %d times", n)
	}
}

// TestKeysOfSessionsAndOrders: what is in their place and was written by no bridge is written
// over, and costs the other sessions nothing.
func TestKeysOfSessionsAndOrders(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := server.Client()
	shared, err := cluster.NewShared(server.URL(), "test")
	if err != nil {
		t.Fatal(err)
	}
	shared.Belong(history)
	t.Cleanup(shared.Close)
	sessions := cluster.NewSessions(shared, time.Minute, 0)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	t.Cleanup(func() { cancel(); running.Wait() })
	running.Go(func() { _ = sessions.Run(ctx) })
	found := func(pid, body string) func() bool {
		return func() bool {
			k, err := sessions.Find(t.Context(), pid)
			return err == nil && string(k.Body) == body && k.Sound == (body != "")
		}
	}
	sessions.Put("w", "p", 1, []byte("one"), nil)
	await(t, "the session is kept", found("p", "one"))
	key := c.Keys(t.Context(), "bridge:{test}:7.5:s:*").Val()[0]
	lost := func() { t.Error("the session counts as another's") }
	for n, garbage := range [][]any{{"rpush", key, "x"}, {"set", key, "zzzzzzzzzzzzzzzzzzzz"}, {"set", key, ""}, {"hset", key, "a", "b"}} {
		_ = c.Del(t.Context(), key)
		if err := c.Do(t.Context(), garbage...).Err(); err != nil {
			t.Fatal(err)
		}
		if k, err := sessions.Find(t.Context(), "p"); err != nil || len(k.Body) > 0 || k.Sound {
			t.Errorf("%v: found %+v, %v", garbage, k, err)
		}
		if _, taken, err := sessions.Take(t.Context(), "p", 1); taken || err != nil {
			t.Errorf("%v: taken over: %v, %v", garbage, taken, err)
		}
		body := fmt.Sprint("again ", n)
		sessions.Put("w", "p", cluster.Version(2+n), []byte(body), lost)
		sessions.Put("w", "other", cluster.Version(2+n), []byte(body), lost)
		await(t, fmt.Sprint(garbage, ": it is kept again"), found("p", body))
		await(t, fmt.Sprint(garbage, ": the other is kept"), found("other", body))
	}

	a, b := startOrders(t, server, "a"), startOrders(t, server, "b")
	const order = "bridge:{test}:7.5:order"
	for n, garbage := range [][]any{{"rpush", order, "x"}, {"set", order, "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"}, {"set", order, "x"}, {"set", order, ""}} {
		_ = c.Del(t.Context(), order)
		if err := c.Do(t.Context(), garbage...).Err(); err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprint("order ", n)
		a.Give(text)
		b.has(t, text)
	}

	// Nothing is claimed where something else is in the place, and the caller is told.
	claims := cluster.NewClaims(shared)
	if _, err := claims.Claim(t.Context(), "w", "id", "a", time.Minute); err != nil {
		t.Fatal(err)
	}
	key = c.Keys(t.Context(), "bridge:{test}:7.5:claim:*").Val()[0]
	_ = c.Del(t.Context(), key)
	if err := c.RPush(t.Context(), key, "x").Err(); err != nil {
		t.Fatal(err)
	}
	if has, err := claims.Claim(t.Context(), "w", "id", "a", time.Minute); err == nil {
		t.Errorf("claimed for %q", has)
	}
}
