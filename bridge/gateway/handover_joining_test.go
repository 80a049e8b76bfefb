package gateway_test

import (
	"testing"
	"time"

	"chatbridge/bridge/gateway"

	"github.com/gorilla/websocket"
)

// joining is a hand-over under way, with a bridge that answers the gateway's
// questions only when the test tells it to.
type joining struct {
	pair
	client, atEngine, atBridge *websocket.Conn
}

// join brings a client so far that ChatEngine has accepted it, and the bridge
// has been asked to.
func join(t *testing.T, catchUp time.Duration) *joining {
	t.Helper()
	j := &joining{pair: newPair(t, func(o *gateway.Options) {
		o.CatchUp, o.CatchUpWait, o.CatchUpLate = catchUp, time.Minute, time.Minute
	})}
	j.bridge.mute.Store(true)
	j.client = j.connect(t)
	j.atEngine = next(t, "connection to ChatEngine", j.engine.conns)
	send(t, j.client, connectPacket)
	next(t, "CONNECT", j.engine.received)
	j.reconnected(t)
	send(t, j.atEngine, `40{"sid":"e"}`)
	wantPackets(t, receive(t, j.client, 1), `40{"sid":"e"}`)
	return j
}

// reconnected waits for the gateway's next connection to the bridge.
func (j *joining) reconnected(t *testing.T) {
	t.Helper()
	j.atBridge = next(t, "connection to the bridge", j.bridge.conns)
	next(t, "CONNECT", j.bridge.received)
}

// accept has the bridge accept the client.
func (j *joining) accept(t *testing.T) {
	t.Helper()
	j.bridge.send(t, j.atBridge, `40{"sid":"b"}`)
}

// answer has the bridge answer that all is sent.
func (j *joining) answer(t *testing.T, number string) {
	t.Helper()
	j.bridge.send(t, j.atBridge, `42["`+gateway.SyncedEvent+`",`+number+`]`)
}

// buffers has ChatEngine send an event that is buffered, and checks that it is.
func (j *joining) buffers(t *testing.T, packet string) {
	t.Helper()
	send(t, j.atEngine, packet, event("typing", 0))
	wantPackets(t, receive(t, j.client, 1), event("typing", 0))
}

// joined waits for the end of it.
func (j *joining) joined(t *testing.T) {
	t.Helper()
	awaitFor(t, "the end of the hand-over", func() bool { return j.Stats().CatchUps["done"] == 1 })
}

func statusOf(id, status string) string {
	return `42["messageStatus",{"messageId":"` + id + `","status":"` + status + `","conversationId":"c"}]`
}

// TestHandoverSendsNothingOlderThanTheBridgesEvents: the bridge had
// read all that was committed when ChatEngine's event was an hour, or a second,
// old; that it did not send it means that it has been replaced.
func TestHandoverSendsNothingOlderThanTheBridgesEvents(t *testing.T) {
	t.Parallel()
	j := join(t, 100*time.Millisecond)
	j.buffers(t, statusOf("m", "delivered"))
	j.accept(t)
	j.bridge.send(t, j.atBridge, statusOf("m", "read"))
	wantPackets(t, receive(t, j.client, 1), statusOf("m", "read"))
	j.answer(t, next(t, "the question", j.bridge.asked))
	j.joined(t)
	send(t, j.atEngine, event("message", 7))
	wantPackets(t, receive(t, j.client, 1), event("message", 7)) // and no delivered before it
}

// TestHandoverSendsWhatTheBridgeHasNotRead: what ChatEngine sent just now
// is newer, also where the bridge has sent an event of the same message.
func TestHandoverSendsWhatTheBridgeHasNotRead(t *testing.T) {
	t.Parallel()
	j := join(t, time.Second)
	j.accept(t)
	j.bridge.send(t, j.atBridge, statusOf("m", "delivered"))
	wantPackets(t, receive(t, j.client, 1), statusOf("m", "delivered"))
	number := next(t, "the question", j.bridge.asked)
	j.buffers(t, statusOf("m", "read"))
	j.answer(t, number)
	j.joined(t)
	send(t, j.atEngine, event("message", 8))
	wantPackets(t, receive(t, j.client, 1), statusOf("m", "read"))
	wantPackets(t, receive(t, j.client, 1), event("message", 8))
}

// TestSubscribingAnewAsksAgain: the answer to an earlier question says nothing
// of what was subscribed since.
func TestSubscribingAnewAsksAgain(t *testing.T) {
	t.Parallel()
	j := join(t, 50*time.Millisecond)
	j.accept(t)
	number := next(t, "the question", j.bridge.asked)
	send(t, j.client, subscribePacket)
	next(t, "subscription at ChatEngine", j.engine.received)
	next(t, "subscription at the bridge", j.bridge.received)
	j.buffers(t, event("message", 8))
	j.answer(t, number)
	j.buffers(t, event("message", 9)) // still
	again := next(t, "the second question", j.bridge.asked)
	if again == number {
		t.Fatalf("it asks with the number %s again", number)
	}
	j.bridge.send(t, j.atBridge, event("message", 7))
	j.answer(t, again)
	wantPackets(t, receive(t, j.client, 3), event("message", 7), event("message", 8), event("message", 9))
}

// TestALostFeedAsksAgain: what the bridge answered before its connection ended says
// nothing of what it has yet to send on the next.
func TestALostFeedAsksAgain(t *testing.T) {
	t.Parallel()
	j := join(t, 50*time.Millisecond)
	j.accept(t)
	number := next(t, "the question", j.bridge.asked)
	j.atBridge.Close()
	j.reconnected(t)
	j.buffers(t, event("message", 8))
	j.accept(t)
	select {
	case again := <-j.bridge.asked:
		if again == number {
			t.Fatalf("it asks with the number %s again", number)
		}
		j.answer(t, again)
	case <-time.After(10 * time.Second):
		t.Fatal("the bridge is not asked again")
	}
	wantPackets(t, receive(t, j.client, 1), event("message", 8))
}

// TestTimeCountsFromTheFeed: the bridge has Options.CatchUp from when it has
// accepted the client, however long that took.
func TestTimeCountsFromTheFeed(t *testing.T) {
	t.Parallel()
	const catchUp = 500 * time.Millisecond
	j := join(t, catchUp)
	time.Sleep(2 * catchUp) // what is tested is that this does not count
	accepted := time.Now()
	j.accept(t)
	j.answer(t, next(t, "the question", j.bridge.asked))
	if took := time.Since(accepted); took < catchUp {
		t.Errorf("it was asked after %v, want %v at the least", took, catchUp)
	}
	j.joined(t)
}
