package hub_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"chatbridge/bridge/hub"
	"chatbridge/mapping/contract"
	"chatbridge/socketio"
	"chatbridge/source"
)

// TestAwaitHead: who has received an event that is not here yet waits for it, for a while,
// and not for one that cannot come.
func TestAwaitHead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(newFakeNamespace(), hub.DefaultOptions())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = h.Run(ctx) }()
		defer func() { cancel(); <-done }()
		at := func(commit uint64) string {
			return string(hub.AppendOffset(nil, hub.Offset{Position: source.Position{Commit: commit}, Commit: time.Now()}))
		}
		publish := func(commit uint64) {
			h.Publish(&hub.Event{
				Position: source.Position{Commit: commit}, Kind: contract.Conversation, Workspace: []byte("w"), Conversation: []byte("c"),
				Packet: socketio.NewEvent("/", "conversation", []byte(`{}`), []byte(`"`+at(commit)+`"`)), Commit: time.Now(),
			}, time.Now())
		}
		publish(10)
		if !h.AwaitHead(t.Context(), at(10)) || !h.AwaitHead(t.Context(), at(9)) {
			t.Error("waited for what is here")
		}
		came := make(chan bool)
		go func() { came <- h.AwaitHead(t.Context(), at(12)) }()
		publish(11)
		synctest.Wait()
		select {
		case <-came:
			t.Error("did not wait")
		default:
		}
		publish(12)
		if !<-came {
			t.Error("it came, and was not waited for")
		}
		short, end := context.WithTimeout(t.Context(), time.Second)
		defer end()
		if h.AwaitHead(short, at(13)) {
			t.Error("an event that did not come was there")
		}
		began := time.Now()
		invented := string(hub.AppendOffset(nil, hub.Offset{Position: source.Position{Commit: 99}, Commit: time.Now().Add(time.Hour)}))
		if h.AwaitHead(t.Context(), invented) || h.AwaitHead(t.Context(), "nonsense") || time.Since(began) > 0 {
			t.Error("waited for an event that cannot come")
		}
	})
}
