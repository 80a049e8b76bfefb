package cluster_test

import (
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chatbridge/bridge/cluster"
	"chatbridge/internal/throwaway/redistest"
)

// busTest is a node that hears.
type busTest struct {
	*cluster.Bus
	id    string
	heard chan cluster.Notice
	again atomic.Int64
}

func startBus(t *testing.T, server interface{ URL() string }, name string, change ...func(*cluster.BusOptions)) *busTest {
	t.Helper()
	shared, err := cluster.NewShared(server.URL(), name)
	if err != nil {
		t.Fatal(err)
	}
	shared.Belong(history)
	b := &busTest{id: cluster.NewNodeID(), heard: make(chan cluster.Notice, 10_000)}
	opts := cluster.BusOptions{
		Shared: shared, ID: b.id, Hear: func(n *cluster.Notice) { b.heard <- *n }, Again: func() { b.again.Add(1) },
		Logger: slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(&opts)
	}
	b.Bus = cluster.NewBus(opts)
	done := make(chan error)
	ctx := t.Context()
	go func() { done <- b.Run(ctx) }()
	t.Cleanup(func() { <-done; shared.Close() })
	await(t, "the bus is connected", func() bool { return b.Stats().Connected })
	return b
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) { // polls other goroutines
		if time.Now().After(deadline) {
			t.Fatalf("%s: did not come", what)
		}
	}
}

func (b *busTest) next(t *testing.T) cluster.Notice {
	t.Helper()
	select {
	case n := <-b.heard:
		return n
	case <-time.After(30 * time.Second):
		t.Fatal("nothing was heard")
		panic("unreachable")
	}
}

// TestNoticesReachTheOtherNodes of the cluster, and nobody else; what is none is dropped.
func TestNoticesReachTheOtherNodes(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b, foreign := startBus(t, server, "one"), startBus(t, server, "one"), startBus(t, server, "two")
	client := server.Client()
	for _, garbage := range []string{"", "x", "\x01\x02", "\x02" + strings.Repeat("x", 50), strings.Repeat("x", 100_000)} {
		if err := client.Publish(t.Context(), "bridge:{one}:bus", garbage).Err(); err != nil {
			t.Fatal(err)
		}
	}
	want := cluster.Notice{Kind: cluster.Typing, Workspace: "w", Text: []byte(`{"isTyping":true}`)}
	a.Send(want)
	got := b.next(t)
	if got.Kind != want.Kind || got.From != a.id || got.Workspace != "w" || string(got.Text) != string(want.Text) {
		t.Errorf("heard %+v", got)
	}
	a.Send(cluster.Notice{Kind: cluster.Left, Workspace: "w", User: "u"})
	if got := b.next(t); got.Kind != cluster.Left || got.User != "u" {
		t.Errorf("heard %+v", got)
	}
	a.Send(cluster.Notice{Kind: cluster.Typing, Text: make([]byte, 1<<20)})
	await(t, "five that are none and a large one are dropped", func() bool { return a.Stats().Dropped == 6 })
	if len(a.heard)+len(foreign.heard) > 0 {
		t.Error("a node heard itself, or another cluster")
	}
}

// TestAWorkspaceThatTypesALotIsHeardLess, and the others are heard.
func TestAWorkspaceThatTypesALotIsHeardLess(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := startBus(t, server, "one"), startBus(t, server, "one")
	for range 5000 {
		a.Send(cluster.Notice{Kind: cluster.Typing, Workspace: "loud"})
	}
	await(t, "what waits went out", func() bool { s := a.Stats(); return s.Sent+s.Dropped >= 5000 })
	a.Send(cluster.Notice{Kind: cluster.Typing, Workspace: "quiet"})
	for loud := 0; ; loud++ {
		if b.next(t).Workspace == "quiet" {
			if loud == 0 || loud > 1000 {
				t.Errorf("%d notices of the loud one", loud)
			}
			return
		}
	}
}

// TestANodeThatWasDeafAsksAgain: what was told meanwhile is lost, and it says so.
func TestANodeThatWasDeafAsksAgain(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := startBus(t, server, "one"), startBus(t, server, "one")
	server.Kill()
	await(t, "it is deaf", func() bool { return !b.Stats().Connected && b.Stats().Error != "" })
	a.Send(cluster.Notice{Kind: cluster.Left, Workspace: "w", User: "lost"})
	server.Run()
	await(t, "it was told that something may be lost", func() bool { return b.again.Load() > 0 })
	await(t, "the other one is back", func() bool { return a.Stats().Connected })
	a.Send(cluster.Notice{Kind: cluster.Left, Workspace: "w", User: "next"})
	for b.next(t).User != "next" {
	}
}

// TestASilentServerIsLeft: a connection that works proves nothing.
func TestASilentServerIsLeft(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	b := startBus(t, server, "one")
	server.Stop()
	await(t, "it notices", func() bool { return !b.Stats().Connected })
	server.Wake()
	await(t, "it is back", func() bool { return b.Stats().Connected && b.again.Load() > 0 })
}

// FuzzNotice: what comes over the bus never ends the program, and what is read is written
// the same way.
func FuzzNotice(f *testing.F) {
	f.Add(cluster.EncodeNotice(cluster.Notice{Kind: cluster.Typing, From: "0123456789", Workspace: "w", Key: "c", User: "u", Text: []byte("{}")}))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := cluster.DecodeNotice(data)
		if err != nil {
			return
		}
		if again := cluster.EncodeNotice(n); string(again) != string(data) {
			t.Fatalf("%q was read as %+v, which is %q", data, n, again)
		}
	})
}
