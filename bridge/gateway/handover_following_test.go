package gateway_test

import (
	"testing"
	"time"

	"chatbridge/bridge/gateway"
)

// TestAfterTheHandoverTheBridgesTexts: while the bridge names texts that it is sending, the
// client is told of these by the bridge, and of all else by ChatEngine alone; until it names
// none, and nobody who might write one.
func TestAfterTheHandoverTheBridgesTexts(t *testing.T) {
	t.Parallel()
	j := join(t, 50*time.Millisecond)
	j.accept(t)
	const pending = `42["message",{"id":"r0","metadata":{"clientMessageId":"opt_0"},"status":"pending"},"o1"]`
	j.bridge.send(t, j.atBridge, pending)
	wantPackets(t, receive(t, j.client, 1), pending)
	j.buffers(t, event("message", 9))
	answer := func(rest string) {
		t.Helper()
		j.bridge.send(t, j.atBridge, `42["`+gateway.SyncedEvent+`",`+next(t, "question", j.bridge.asked)+rest+`]`)
	}
	answer(`,["opt_0","opt_1","r2"],false`)
	wantPackets(t, receive(t, j.client, 1), event("message", 9))
	j.joined(t)

	const (
		row   = `42["message",{"id":"r1","metadata":{"clientMessageId":"opt_1"},"status":"pending"},"o2"]`
		moved = `42["conversation",{"id":"c","lastMessage":{"id":"r1"}},"o3"]`
		again = `42["message",{"id":"opt_3","metadata":{"clientMessageId":"opt_3"},"status":"pending"}]`
	)
	j.bridge.send(t, j.atBridge,
		event("message", 10), statusOf("m10", "sent"), event("conversation", 1), // ChatEngine tells these
		statusOf("r0", "sent"), row, moved, statusOf("r1", "sent"), statusOf("opt_1", "sent"), statusOf("r2", "failed"),
		again, statusOf("opt_3", "sent"))
	wantPackets(t, receive(t, j.client, 8), statusOf("r0", "sent"), row, moved, statusOf("r1", "sent"), statusOf("opt_1", "sent"), statusOf("r2", "failed"),
		again, statusOf("opt_3", "sent"))
	// What ChatEngine has told a newer status of, the bridge tells no more.
	send(t, j.atEngine, statusOf("r1", "read"), event("message", 11))
	wantPackets(t, receive(t, j.client, 2), statusOf("r1", "read"), event("message", 11))
	j.bridge.send(t, j.atBridge, statusOf("r1", "delivered"), statusOf("r2", "sent"))
	wantPackets(t, receive(t, j.client, 1), statusOf("r2", "sent"))

	answer(`,[],true`) // others may write one
	answer(`,[],false`)
	awaitFor(t, "the end of the bridge's connection", func() bool {
		return j.atBridge.WriteMessage(1, []byte(statusOf("r2", "read"))) != nil
	})
	send(t, j.atEngine, event("message", 12))
	if got := receive(t, j.client, 1)[0]; got == statusOf("r2", "read") {
		got = receive(t, j.client, 1)[0]
		wantPackets(t, []string{got}, event("message", 12))
	}
	if n := j.Stats().CatchUps["done"]; n != 1 {
		t.Errorf("%d hand-overs were counted", n)
	}
}
