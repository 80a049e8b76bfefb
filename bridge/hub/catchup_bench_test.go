package hub_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"chatbridge/bridge/hub"
	"chatbridge/bridge/replay"
	"chatbridge/mapping/contract"
	"chatbridge/socketio"
	"chatbridge/source"
)

// BenchmarkCatchUp: a client connects and subscribes to 3 of a workspace's 1,000
// conversations, as one does that comes back after a restart, and is caught up on what
// the log has. It is sent the same whatever else the workspace has in the log; lock-µs
// is for how long it holds the Hub's lock in all: with 100,000 events of others 0.9 ms
// since reading passes over other conversations' messages by the order alone
// (replay.Scope.Only), 33 ms before, in one run on two busy cores.
func BenchmarkCatchUp(b *testing.B) {
	for _, events := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("events=%d", events), func(b *testing.B) { benchmarkCatchUp(b, events) })
	}
}

func benchmarkCatchUp(b *testing.B, events int) {
	h := hub.New(nowhere{rooms()}, hub.Options{
		Replay: replay.Options{Window: time.Hour, MaxEvents: 250_000, MaxBytes: 1 << 30}, SubscribeGrace: time.Hour, MaxSubscriptions: 1000,
	})
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = h.Run(ctx)
	}()
	defer func() { cancel(); <-done }()
	packet := socketio.NewEvent("/", "message", make([]byte, 600), []byte(`"offset"`))
	for i := range events {
		conversation := 3 + i%1000 // of others
		if i < 600 {
			conversation = i % 3
		}
		h.Publish(&hub.Event{
			Position: source.Position{Commit: uint64(1 + i)}, Kind: contract.Message, Workspace: []byte("w"),
			Conversation: fmt.Append(nil, conversation), Packet: packet,
		}, time.Now())
	}
	before := h.Stats()
	b.ResetTimer()
	for i := range b.N {
		c := &hub.Client{Workspace: "w", User: fmt.Sprint(i)}
		h.Attach(c, nobody{}, "", time.Time{})
		for conversation := range 3 {
			h.Subscribe(c, fmt.Sprint(conversation))
		}
		for h.Stats().Catching > 0 {
			time.Sleep(20 * time.Microsecond)
		}
		h.Detach(c)
	}
	b.StopTimer()
	after := h.Stats()
	b.ReportMetric(float64((after.LockHeld-before.LockHeld).Microseconds())/float64(b.N), "lock-µs/client")
	b.ReportMetric(float64(after.CaughtUp-before.CaughtUp)/float64(b.N), "packets/client")
}
