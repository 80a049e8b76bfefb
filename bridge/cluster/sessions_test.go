package cluster_test

import (
	"testing"
	"time"

	"chatbridge/bridge/cluster"
	"chatbridge/internal/throwaway/redistest"
)

func startSessions(t *testing.T, url string, keep time.Duration) *cluster.Sessions {
	t.Helper()
	return startBoundedSessions(t, url, keep, 0)
}

func startBoundedSessions(t *testing.T, url string, keep time.Duration, bytes int64) *cluster.Sessions {
	t.Helper()
	shared, err := cluster.NewShared(url, "test")
	if err != nil {
		t.Fatal(err)
	}
	shared.Belong(history)
	s := cluster.NewSessions(shared, keep, bytes)
	done := make(chan error)
	ctx := t.Context()
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() { <-done; shared.Close() })
	return s
}

func find(t *testing.T, s *cluster.Sessions, pid string) cluster.StoredSession {
	t.Helper()
	k, err := s.Find(t.Context(), pid)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestASessionIsTakenOverOnce, as it was found, and its former owner hears of it.
func TestASessionIsTakenOverOnce(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := startSessions(t, server.URL(), time.Minute), startSessions(t, server.URL(), time.Minute)
	if k := find(t, b, "pid"); k.Version != 0 || k.Sound || len(k.Body) > 0 {
		t.Errorf("before anything was put: %+v", k)
	}
	a.Put("w", "pid", 1, []byte("one"), nil)
	await(t, "it is put", func() bool { return string(find(t, b, "pid").Body) == "one" })
	if owned, err := a.Invalidate(t.Context(), "pid", 2); !owned || err != nil {
		t.Fatalf("invalidate: %v, %v", owned, err)
	}
	k := find(t, b, "pid")
	if len(k.Body) > 0 || !k.Sound || k.Version != 2 {
		t.Errorf("after it was invalidated: %+v", k)
	}
	if _, ok, err := b.Take(t.Context(), "pid", k.Version); ok || err != nil {
		t.Errorf("a session that changes was taken over, %v", err)
	}
	a.Put("w", "pid", 1, []byte("late"), func() { t.Error("an older version of its own was taken for another's") })
	a.Put("w", "pid", 3, []byte("three"), nil)
	await(t, "it is put", func() bool { return string(find(t, b, "pid").Body) == "three" })
	if _, ok, _ := b.Take(t.Context(), "pid", 2); ok {
		t.Error("taken over although it was found otherwise")
	}
	v, ok, err := b.Take(t.Context(), "pid", 3)
	if !ok || err != nil || v.Owner() != 1 {
		t.Fatalf("take: %v, %v, %v", v, ok, err)
	}
	if _, ok, _ := a.Take(t.Context(), "pid", 3); ok {
		t.Error("taken over twice")
	}
	lost := make(chan struct{})
	a.Put("w", "pid", 4, []byte("four"), func() { close(lost) })
	<-lost
	if owned, err := a.Invalidate(t.Context(), "pid", 5); owned || err != nil {
		t.Errorf("the former owner invalidates: %v, %v", owned, err)
	}
	b.Put("w", "pid", v+1, []byte("of b"), nil)
	await(t, "it is put", func() bool { return string(find(t, a, "pid").Body) == "of b" })
	if keys := server.Client().Keys(t.Context(), "*pid*").Val(); len(keys) > 0 {
		t.Errorf("private ids are shown by %q", keys)
	}
}

// TestWhatRedisMayHaveLostIsNotSound: after a restart it has an older state, or could have.
func TestWhatRedisMayHaveLostIsNotSound(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	s := startSessions(t, server.URL(), time.Minute)
	s.Put("w", "pid", 1, []byte("one"), nil)
	await(t, "it is put", func() bool { return find(t, s, "pid").Sound })
	server.Kill()
	server.Run()
	var k cluster.StoredSession
	await(t, "it is found again", func() (ok bool) {
		var err error
		k, err = s.Find(t.Context(), "pid")
		return err == nil
	})
	if k.Sound || string(k.Body) != "one" {
		t.Errorf("after a restart: %+v", k)
	}
	if _, ok, _ := s.Take(t.Context(), "pid", 1); ok {
		t.Error("it was taken over")
	}
	s.Put("w", "pid", 2, []byte("two"), nil)
	await(t, "it is sound again", func() bool { return find(t, s, "pid").Sound })
}

// TestSessionsAreForgotten after their time.
func TestSessionsAreForgotten(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := startSessions(t, server.URL(), 100*time.Millisecond)
	s.Put("w", "pid", 1, []byte("one"), nil)
	await(t, "it is put", func() bool { return s.Stats().Put == 1 })
	await(t, "it is forgotten", func() bool { return find(t, s, "pid").Version == 0 })
	s.Put("w", "large", 1, make([]byte, 1<<20), nil)
	if n := s.Stats().Waiting; n > 0 {
		t.Error("a session of a megabyte is kept")
	}
}
