package cluster_test

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"chatbridge/bridge/cluster"
	"chatbridge/internal/throwaway/redistest"
)

// bigSession is about what a session of 450 long names takes.
var bigSession = bytes.Repeat([]byte("x"), 58<<10)

// written waits until all that was put is written.
func written(t *testing.T, s *cluster.Sessions) {
	t.Helper()
	last, began := uint64(0), time.Now()
	await(t, "all is written", func() bool {
		k := s.Stats()
		if k.Put != last {
			last, began = k.Put, time.Now()
		}
		return k.Waiting == 0 && time.Since(began) > 100*time.Millisecond
	})
}

// usedMemory is what Redis uses.
func usedMemory(t *testing.T, server *redistest.Server) int64 {
	t.Helper()
	_, rest, _ := strings.Cut(server.Client().Info(t.Context(), "memory").Val(), "used_memory_dataset:")
	n, err := strconv.ParseInt(strings.TrimSpace(strings.SplitN(rest, "\r\n", 2)[0]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestOneWorkspaceFillsRedisWithSessions up to half of the bridge's share, and another one's
// sessions are stored all the same. Redis takes no more than what is counted.
func TestOneWorkspaceFillsRedisWithSessions(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	const share = 8 << 20
	s := startBoundedSessions(t, server.URL(), time.Minute, share)
	before := usedMemory(t, server)
	refused := 0
	for i := range 200 {
		if !s.Put("flood", fmt.Sprint("big", i), 1, bigSession, nil) {
			refused++
		}
	}
	for i := range 20_000 {
		if !s.Put("flood", fmt.Sprint("small", i), 1, []byte("{}"), nil) {
			refused++
		}
	}
	written(t, s)
	k := s.Stats()
	if refused == 0 || int(k.Refused) != refused {
		t.Errorf("%d were refused, and %d counted", refused, k.Refused)
	}
	if k.Bytes > share/2 || k.Bytes < share*2/5 {
		t.Errorf("one workspace's sessions count as %d bytes of %d", k.Bytes, share)
	}
	if used := usedMemory(t, server) - before; used > k.Bytes+1<<20 {
		t.Errorf("Redis took %d bytes more, and %d are counted", used, k.Bytes)
	}
	if !s.Put("other", "another's", 1, []byte("body"), nil) {
		t.Fatal("another workspace's session is refused")
	}
	await(t, "another workspace's session is stored", func() bool { return string(find(t, s, "another's").Body) == "body" })
	for w := range 50 {
		for i := range 100 {
			s.Put(fmt.Sprint("w", w), fmt.Sprint(w, "-", i), 1, bigSession, nil)
		}
	}
	if k := s.Stats(); k.Bytes > share {
		t.Errorf("all workspaces' sessions count as %d bytes of %d", k.Bytes, share)
	}
}

// TestSessionsGiveTheirBytesBack when they have expired, and not before.
func TestSessionsGiveTheirBytesBack(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := startBoundedSessions(t, server.URL(), time.Second, 256<<10)
	if !s.Put("w", "first", 1, bigSession, nil) {
		t.Fatal("the first one is refused")
	}
	if s.Put("w", "second", 1, bigSession, nil) {
		t.Error("one over the bound is stored")
	}
	written(t, s)
	await(t, "there is room", func() bool { return s.Put("w", "second", 1, bigSession, nil) })
	if k := find(t, s, "first"); k.Version != 0 {
		t.Error("its bytes were given to another one while Redis had it")
	}
	written(t, s)
	if owned, err := s.Invalidate(t.Context(), "second", 2); !owned || err != nil {
		t.Fatal(owned, err)
	}
	if n := s.Stats().Bytes; n == 0 || n > 1<<10 {
		t.Errorf("one that was invalidated counts as %d bytes", n)
	}
}

// TestASessionOverTheBoundIsNotResumedElsewhere: neither as it is, nor as it was before.
func TestASessionOverTheBoundIsNotResumedElsewhere(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := startBoundedSessions(t, server.URL(), time.Minute, 256<<10)
	other := startSessions(t, server.URL(), time.Minute)
	body := []byte("small")
	k := cluster.NewSharedSession(s, "w")
	keep := func() bool { return k.Keep("pid", func() ([]byte, bool) { return body, true }, nil) }
	if !keep() {
		t.Fatal("a small one is refused")
	}
	await(t, "it is stored", func() bool { return string(find(t, other, "pid").Body) == "small" })
	if !s.Put("w", "filler", 1, bigSession, nil) {
		t.Fatal("refused")
	}
	body = bigSession
	if keep() {
		t.Fatal("it is stored, although it is over the bound")
	}
	await(t, "the copy of before is emptied", func() bool { c := find(t, other, "pid"); return c.Version > 1 && len(c.Body) == 0 })
	found := find(t, other, "pid")
	if _, ok, err := other.Take(t.Context(), "pid", found.Version); ok || err != nil {
		t.Errorf("another bridge takes it over: %v, %v", ok, err)
	}
	if !k.Newest(true, &found) {
		t.Error("its own bridge does not go on with it")
	}
	changed := false
	if err := k.Change(t.Context(), func() { changed = true }); err != nil || !changed {
		t.Errorf("it cannot be changed: %v", err)
	}
	if keep() {
		t.Fatal("it is stored, although it is over the bound")
	}
	if !k.Newest(true, &cluster.StoredSession{}) {
		t.Error("its own bridge does not go on with it when Redis has nothing of it")
	}
	body = []byte("small")
	if !keep() {
		t.Fatal("a small one is refused")
	}
	await(t, "it is stored again", func() bool { return string(find(t, other, "pid").Body) == "small" })
}

// TestAFullRedisIsGivenTheSessionsBack, and a session can be changed while it is full.
func TestAFullRedisIsGivenTheSessionsBack(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := startBoundedSessions(t, server.URL(), time.Minute, 64<<20)
	for i := range 100 {
		s.Put("w", fmt.Sprint(i), 1, bigSession, nil)
	}
	written(t, s)
	admin := server.Client()
	full := usedMemory(t, server)
	if err := admin.ConfigSet(t.Context(), "maxmemory", "1mb").Err(); err != nil {
		t.Fatal(err)
	}
	if owned, err := s.Invalidate(t.Context(), "1", 2); !owned || err != nil {
		t.Errorf("while Redis is full: %v, %v", owned, err)
	}
	s.Put("w", "one more", 1, bigSession, nil)
	await(t, "the sessions are emptied", func() bool { return s.Stats().GivenUp == 1 && len(find(t, s, "2").Body) == 0 })
	await(t, "Redis has room", func() bool { return usedMemory(t, server) < full-4<<20 })
	if k := find(t, s, "2"); k.Version != 1 {
		t.Errorf("of a session that was given up Redis has %+v", k)
	}
	if s.Put("w", "one more", 2, []byte("{}"), nil) {
		t.Error("sessions are stored while Redis is full")
	}
}
