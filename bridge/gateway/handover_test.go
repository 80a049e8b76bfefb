package gateway_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatbridge/bridge/gateway"

	"github.com/gorilla/websocket"
)

// scripted is one side of the gateway that sends what a test wants: the
// handshake is real, the rest is frames. What it receives goes to a channel.
type scripted struct {
	*httptest.Server
	conns    chan *websocket.Conn
	received chan string
	refuse   func(attempt int) int // a status instead of the upgrade; 0: none

	mu       sync.Mutex  // also orders the writes
	mute     atomic.Bool // does not answer SyncEvent
	asked    chan string // the numbers of those that it did not answer
	attempts int
	marked   int // attempts with the gateway's own header
}

func newScripted(t *testing.T) *scripted {
	t.Helper()
	s := &scripted{conns: make(chan *websocket.Conn, 8), received: make(chan string, 256), asked: make(chan string, 8)}
	var serving sync.WaitGroup
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serving.Add(1)
		defer serving.Done()
		s.serve(w, r)
	}))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
		serving.Wait()
	})
	return s
}

func (s *scripted) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("transport") != "websocket" { // the probe
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"code":1,"message":"Session ID unknown"}`)
		return
	}
	s.mu.Lock()
	s.attempts++
	attempt := s.attempts
	if r.Header.Get(gateway.CatchUpHeader) != "" {
		s.marked++
	}
	s.mu.Unlock()
	if refuse := s.refuse; refuse != nil {
		if status := refuse(attempt); status != 0 {
			http.Error(w, "refused", status)
			return
		}
	}
	conn, err := (&websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	if conn.WriteMessage(websocket.TextMessage, []byte(`0{"sid":"s"}`)) != nil {
		return
	}
	s.conns <- conn
	for {
		_, p, err := conn.ReadMessage()
		if err != nil {
			return
		}
		if n, ok := strings.CutPrefix(string(p), `42["`+gateway.SyncEvent+`",`); ok {
			if s.mute.Load() {
				s.asked <- strings.TrimSuffix(n, "]")
			} else {
				s.mu.Lock()
				// A lost connection shows at the next read.
				_ = conn.WriteMessage(websocket.TextMessage, []byte(`42["`+gateway.SyncedEvent+`",`+n))
				s.mu.Unlock()
			}
			continue
		}
		s.received <- string(p)
	}
}

// send sends text frames on a connection of the server's.
func (s *scripted) send(t *testing.T, conn *websocket.Conn, packets ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	send(t, conn, packets...)
}

// next is the next of a channel.
func next[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(30 * time.Second):
		t.Fatalf("timed out: %s", what)
		panic("unreachable")
	}
}

// send sends text frames.
func send(t *testing.T, conn *websocket.Conn, packets ...string) {
	t.Helper()
	for _, p := range packets {
		if err := conn.WriteMessage(websocket.TextMessage, []byte(p)); err != nil {
			t.Fatal(err)
		}
	}
}

// receive reads n packets.
func receive(t *testing.T, conn *websocket.Conn, n int) []string {
	t.Helper()
	var got []string
	conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	for range n {
		_, p, err := conn.ReadMessage()
		if err != nil {
			t.Fatalf("after %q: %v", got, err)
		}
		got = append(got, string(p))
	}
	return got
}

// wantPackets compares.
func wantPackets(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("the client received\n%.90q\nwant\n%.90q", got, want)
	}
}

// pair is a gateway between two scripted servers.
type pair struct {
	setup
	engine, bridge *scripted
}

func newPair(t *testing.T, adjust func(*gateway.Options)) pair {
	t.Helper()
	p := pair{engine: newScripted(t), bridge: newScripted(t)}
	o := fast(p.engine.URL)
	o.Interval = time.Hour
	// Long enough for a machine that is busy with other tests.
	o.HandshakeTimeout = 10 * time.Second
	o.CatchUp, o.CatchUpWait, o.CatchUpLate = time.Second, 20*time.Second, 30*time.Second
	o.Local = p.bridge.Config.Handler
	if adjust != nil {
		adjust(&o)
	}
	p.setup = run(t, o)
	return p
}

// connect opens a client and takes its open packet.
func (p pair) connect(t *testing.T) *websocket.Conn {
	t.Helper()
	header := http.Header{"Origin": {"https://crm.example"}, gateway.CatchUpHeader: {"forged"}}
	dialer := websocket.Dialer{WriteBufferSize: 256 << 10} // each message in one frame
	conn, _, err := dialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(p.url, "http")+"/api/ws/?EIO=4&transport=websocket&workspaceId=w", header)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	wantPackets(t, receive(t, conn, 1), `0{"sid":"s"}`)
	return conn
}

const (
	connectPacket   = `40{"token":"t","pid":"p","offset":"o"}`
	subscribePacket = `42["subscribe:conversation","c1"]`
)

func event(name string, n int) string { return fmt.Sprintf(`42[%q,{"id":"m%d"}]`, name, n) }

// TestHandover is one from beginning to end: what was missed and what is live come from
// the bridge in order, ChatEngine's wait their turn, everything else passes.
func TestHandover(t *testing.T) {
	t.Parallel()
	p := newPair(t, nil)
	client := p.connect(t)
	engine := next(t, "connection to ChatEngine", p.engine.conns)

	send(t, client, connectPacket)
	bridge := next(t, "connection to the bridge", p.bridge.conns)
	for _, s := range []*scripted{p.engine, p.bridge} {
		if got := next(t, "CONNECT", s.received); got != connectPacket {
			t.Fatalf("CONNECT arrived as %s", got)
		}
	}
	// The bridge is first; the client must not see its events before ChatEngine's
	// acceptance.
	p.bridge.send(t, bridge, `40{"sid":"b","pid":"p2"}`, event("conversation", 1))
	send(t, engine, event("message", 5)) // before CONNECT, which the protocol forbids; buffered all the same
	send(t, engine, `40{"sid":"e"}`)
	wantPackets(t, receive(t, client, 2), `40{"sid":"e"}`, event("conversation", 1))

	send(t, client, subscribePacket)
	for _, s := range []*scripted{p.engine, p.bridge} {
		if got := next(t, "subscription", s.received); got != subscribePacket {
			t.Fatalf("the subscription arrived as %s", got)
		}
	}
	send(t, engine, event("typing", 0), `430[{"ok":true}]`, `2`)
	wantPackets(t, receive(t, client, 3), event("typing", 0), `430[{"ok":true}]`, `2`)
	send(t, client, `3`)
	if got := next(t, "pong", p.engine.received); got != `3` {
		t.Fatalf("ChatEngine received %s", got)
	}
	p.bridge.send(t, bridge, `2`) // the bridge's own heartbeat is answered by the gateway
	if got := next(t, "pong", p.bridge.received); got != `3` {
		t.Fatalf("the bridge received %s", got)
	}
	p.bridge.send(t, bridge, event("typing", 9), event("message", 3), event("message", 4), event("message", 5))
	send(t, engine, event("messageStatus", 4), event("message", 6))
	wantPackets(t, receive(t, client, 5), event("message", 3), event("message", 4), event("message", 5),
		event("messageStatus", 4), event("message", 6)) // the buffered ones that the bridge has not sent

	// From here on the bytes pass unread.
	send(t, engine, event("message", 7))
	wantPackets(t, receive(t, client, 1), event("message", 7))
	awaitFor(t, "counted", func() bool { return p.Stats().CatchUps["done"] == 1 })
	if s := p.Stats(); s.CatchUpEvents != 4 {
		t.Fatalf("%d events by the bridge, want 4", s.CatchUpEvents)
	}
	if p.bridge.marked != 1 || p.engine.marked != 0 {
		t.Fatalf("%d marked connections to the bridge, %d to ChatEngine", p.bridge.marked, p.engine.marked)
	}
}

// TestHandoverDoesNotGoBack: the bridge alone sends what others than ChatEngine
// have written, and that is the newer state.
func TestHandoverDoesNotGoBack(t *testing.T) {
	t.Parallel()
	p := newPair(t, nil)
	client := p.connect(t)
	engine := next(t, "connection to ChatEngine", p.engine.conns)
	send(t, client, connectPacket)
	next(t, "CONNECT", p.engine.received)
	bridge := next(t, "connection to the bridge", p.bridge.conns)
	status := func(s string) string {
		return `42["messageStatus",{"messageId":"m","status":"` + s + `","conversationId":"c"}]`
	}
	conversation := func(last string) string { return `42["conversation",{"id":"c","lastMessage":{"id":"` + last + `"}}]` }
	send(t, engine, `40{"sid":"e"}`, status("delivered"), conversation("m1"))
	p.bridge.send(t, bridge, `40{"sid":"b"}`, status("delivered"), status("read"), conversation("m1"), conversation("m2"))
	wantPackets(t, receive(t, client, 5), `40{"sid":"e"}`, status("delivered"), status("read"), conversation("m1"), conversation("m2"))
	awaitFor(t, "the end of it", func() bool { return p.Stats().CatchUps["done"] == 1 })
	send(t, engine, status("failed"))
	wantPackets(t, receive(t, client, 1), status("failed"))
}

// TestHandoverWaitsForAStartingBridge: 503 while the log is being filled.
func TestHandoverWaitsForAStartingBridge(t *testing.T) {
	t.Parallel()
	p := newPair(t, nil)
	p.bridge.refuse = func(attempt int) int {
		if attempt < 4 {
			return http.StatusServiceUnavailable
		}
		return 0
	}
	client := p.connect(t)
	engine := next(t, "connection to ChatEngine", p.engine.conns)
	send(t, client, connectPacket, subscribePacket)
	next(t, "CONNECT", p.engine.received)
	send(t, engine, `40{"sid":"e"}`, event("message", 2))
	bridge := next(t, "connection to the bridge", p.bridge.conns)
	if got := next(t, "CONNECT", p.bridge.received); got != connectPacket {
		t.Fatalf("the bridge received %s", got)
	}
	p.bridge.send(t, bridge, `40{"sid":"b"}`)
	if got := next(t, "subscription", p.bridge.received); got != subscribePacket {
		t.Fatalf("the bridge received %s", got)
	}
	p.bridge.send(t, bridge, event("message", 1))
	wantPackets(t, receive(t, client, 3), `40{"sid":"e"}`, event("message", 1), event("message", 2))
}

// TestHandoverGoesOnAfterTheBridgeClosedIt: a closed or broken feed is opened anew,
// with the subscriptions so far.
func TestHandoverGoesOnAfterTheBridgeClosedIt(t *testing.T) {
	t.Parallel()
	p := newPair(t, nil)
	client := p.connect(t)
	engine := next(t, "connection to ChatEngine", p.engine.conns)
	send(t, client, connectPacket, subscribePacket)
	next(t, "CONNECT", p.engine.received)
	send(t, engine, `40{"sid":"e"}`, event("message", 2))
	first := next(t, "connection to the bridge", p.bridge.conns)
	next(t, "CONNECT", p.bridge.received)
	p.bridge.send(t, first, `40{"sid":"b"}`)
	next(t, "subscription", p.bridge.received)
	first.Close()
	second := next(t, "second connection to the bridge", p.bridge.conns)
	if got := next(t, "CONNECT", p.bridge.received); got != connectPacket {
		t.Fatalf("the bridge received %s", got)
	}
	p.bridge.send(t, second, `40{"sid":"b2"}`)
	if got := next(t, "subscription", p.bridge.received); got != subscribePacket {
		t.Fatalf("the bridge received %s", got)
	}
	p.bridge.send(t, second, event("message", 1))
	wantPackets(t, receive(t, client, 3), `40{"sid":"e"}`, event("message", 1), event("message", 2))
}

// TestHandoverGivesUp: without the bridge the client has what ChatEngine sends,
// all of it and in order.
func TestHandoverGivesUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		outcome string
		status  int    // of the bridge's answer
		answer  string // to the CONNECT
		engine  []string
	}{
		"refused at the door":    {outcome: "refused", status: http.StatusForbidden},
		"refused by a packet":    {outcome: "refused", answer: `44{"message":"no"}`},
		"never ready":            {outcome: "missed", status: http.StatusServiceUnavailable},
		"never answers":          {outcome: "missed"},
		"too much to buffer":     {outcome: "missed", engine: []string{big(1), big(2), big(3), big(4)}},
		"a frame past the limit": {outcome: "overrun", engine: []string{`42["message","` + strings.Repeat("x", 600<<10) + `"]`}},
		"ChatEngine refuses":     {outcome: "refused", engine: []string{`44{"message":"no"}`}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, func(o *gateway.Options) { o.CatchUpWait, o.CatchUpLate = 500*time.Millisecond, time.Second })
			p.bridge.refuse = func(int) int { return c.status }
			client := p.connect(t)
			engine := next(t, "connection to ChatEngine", p.engine.conns)
			send(t, client, connectPacket)
			next(t, "CONNECT", p.engine.received)
			if c.status == 0 {
				bridge := next(t, "connection to the bridge", p.bridge.conns)
				if c.answer != "" {
					p.bridge.send(t, bridge, c.answer)
				}
			}
			want := append([]string{`40{"sid":"e"}`, event("message", 1)}, c.engine...)
			want = append(want, event("message", 2))
			send(t, engine, want...)
			got := receive(t, client, len(want))
			if name == "ChatEngine refuses" {
				// The refusal is no event, so it is not buffered; those before it follow.
				slices.Sort(got)
				slices.Sort(want)
			}
			wantPackets(t, got, want...)
			awaitFor(t, "outcome "+c.outcome, func() bool { return p.Stats().CatchUps[c.outcome] == 1 })
		})
	}
}

// big is an event of 300 KiB.
func big(n int) string {
	return fmt.Sprintf(`42["message",{"n":%d,"x":%q}]`, n, strings.Repeat("x", 300<<10))
}

// TestHandoverWaitsUntilTheBridgeIsFresh: a bridge that has just started takes
// clients before it has read everything.
func TestHandoverWaitsUntilTheBridgeIsFresh(t *testing.T) {
	t.Parallel()
	var fresh atomic.Bool
	p := newPair(t, func(o *gateway.Options) {
		o.CatchUp, o.CatchUpWait, o.CatchUpLate = 200*time.Millisecond, time.Minute, time.Minute
		o.Fresh = func(time.Time) bool { return fresh.Load() }
	})
	client := p.connect(t)
	engine := next(t, "connection to ChatEngine", p.engine.conns)
	send(t, client, connectPacket)
	next(t, "CONNECT", p.engine.received)
	bridge := next(t, "connection to the bridge", p.bridge.conns)
	send(t, engine, `40{"sid":"e"}`, event("message", 9))
	p.bridge.send(t, bridge, `40{"sid":"b"}`)
	wantPackets(t, receive(t, client, 1), `40{"sid":"e"}`)
	for n := range 4 { // for longer than CatchUp
		time.Sleep(100 * time.Millisecond)
		p.bridge.send(t, bridge, event("message", n))
	}
	fresh.Store(true)
	wantPackets(t, receive(t, client, 5), event("message", 0), event("message", 1), event("message", 2), event("message", 3),
		event("message", 9))
}

// TestHandoverWaitsForTheBridgesAnswer: a bridge that is busy needs longer than
// CatchUp to send what it owes, and answers when it has.
func TestHandoverWaitsForTheBridgesAnswer(t *testing.T) {
	t.Parallel()
	p := newPair(t, func(o *gateway.Options) {
		o.CatchUp, o.CatchUpWait, o.CatchUpLate = 50*time.Millisecond, time.Minute, time.Minute
	})
	p.bridge.mute.Store(true)
	client := p.connect(t)
	engine := next(t, "connection to ChatEngine", p.engine.conns)
	send(t, client, connectPacket)
	next(t, "CONNECT", p.engine.received)
	bridge := next(t, "connection to the bridge", p.bridge.conns)
	send(t, engine, `40{"sid":"e"}`, event("message", 9))
	p.bridge.send(t, bridge, `40{"sid":"b"}`)
	wantPackets(t, receive(t, client, 1), `40{"sid":"e"}`)
	time.Sleep(400 * time.Millisecond)
	p.bridge.send(t, bridge, event("message", 1), `42["`+gateway.SyncedEvent+`",7]`, event("message", 2)) // of another question
	p.bridge.send(t, bridge, event("message", 3), `42["`+gateway.SyncedEvent+`",1]`)
	wantPackets(t, receive(t, client, 4), event("message", 1), event("message", 2), event("message", 3), event("message", 9))
}

// TestHandoverComesLate: a bridge that is not ready does not keep the client
// from what is live, and what was missed still comes.
func TestHandoverComesLate(t *testing.T) {
	t.Parallel()
	p := newPair(t, func(o *gateway.Options) {
		o.CatchUp, o.CatchUpWait, o.CatchUpLate = 100*time.Millisecond, 200*time.Millisecond, time.Minute
	})
	var ready atomic.Bool
	p.bridge.refuse = func(int) int {
		if !ready.Load() {
			return http.StatusServiceUnavailable
		}
		return 0
	}
	client := p.connect(t)
	engine := next(t, "connection to ChatEngine", p.engine.conns)
	send(t, client, connectPacket, subscribePacket)
	next(t, "CONNECT", p.engine.received)
	send(t, engine, `40{"sid":"e"}`, event("message", 2), event("message", 3))
	wantPackets(t, receive(t, client, 3), `40{"sid":"e"}`, event("message", 2), event("message", 3))
	send(t, engine, event("message", 4))
	wantPackets(t, receive(t, client, 1), event("message", 4)) // no longer buffered
	ready.Store(true)
	bridge := next(t, "connection to the bridge", p.bridge.conns)
	p.bridge.send(t, bridge, `40{"sid":"b"}`, event("message", 1))
	wantPackets(t, receive(t, client, 1), event("message", 1))
	awaitFor(t, "counted", func() bool { return p.Stats().CatchUps["late"] == 1 })
}

// TestHandoverBuffersTheNewest: what is too much to buffer, a bridge that feeds
// the client sends itself.
func TestHandoverBuffersTheNewest(t *testing.T) {
	t.Parallel()
	p := newPair(t, func(o *gateway.Options) { o.CatchUp = 3 * time.Second })
	client := p.connect(t)
	engine := next(t, "connection to ChatEngine", p.engine.conns)
	send(t, client, connectPacket)
	next(t, "CONNECT", p.engine.received)
	bridge := next(t, "connection to the bridge", p.bridge.conns)
	send(t, engine, `40{"sid":"e"}`)
	p.bridge.send(t, bridge, `40{"sid":"b"}`, event("message", 0))
	wantPackets(t, receive(t, client, 2), `40{"sid":"e"}`, event("message", 0)) // it feeds
	send(t, engine, big(1), big(2), big(3), big(4))
	wantPackets(t, receive(t, client, 3), big(2), big(3), big(4))
}

// TestTheEndsOfAHandover: either side may leave in the middle of it.
func TestTheEndsOfAHandover(t *testing.T) {
	t.Parallel()
	for _, leaver := range []string{"client", "ChatEngine"} {
		t.Run(leaver, func(t *testing.T) {
			p := newPair(t, nil)
			client := p.connect(t)
			engine := next(t, "connection to ChatEngine", p.engine.conns)
			send(t, client, connectPacket)
			bridge := next(t, "connection to the bridge", p.bridge.conns)
			p.bridge.send(t, bridge, `40{"sid":"b"}`)
			send(t, engine, `40{"sid":"e"}`, event("message", 1))
			receive(t, client, 1)
			if leaver == "client" {
				client.Close()
			} else {
				engine.Close()
				// What was buffered is not sent: it would come before what was missed.
				if _, p, err := client.ReadMessage(); err == nil {
					t.Fatalf("received %s after the end", p)
				}
			}
			awaitFor(t, "no websocket left", func() bool { return p.Stats().Websockets == 0 })
		})
	}
}

// TestLargeSubscriptionsAreNotKept: ChatEngine judges them; the bridge would
// refuse them, and a hand-over keeps what it sends there.
func TestLargeSubscriptionsAreNotKept(t *testing.T) {
	t.Parallel()
	p := newPair(t, nil)
	client := p.connect(t)
	engine := next(t, "connection to ChatEngine", p.engine.conns)
	send(t, client, connectPacket)
	bridge := next(t, "connection to the bridge", p.bridge.conns)
	next(t, "CONNECT", p.engine.received)
	next(t, "CONNECT", p.bridge.received)
	p.bridge.send(t, bridge, `40{"sid":"b"}`)
	send(t, engine, `40{"sid":"e"}`)
	wantPackets(t, receive(t, client, 1), `40{"sid":"e"}`)
	large := `42["subscribe:conversation","` + strings.Repeat("x", 100<<10) + `"]`
	send(t, client, large, subscribePacket)
	for _, want := range []string{large, subscribePacket} {
		if got := next(t, "subscription", p.engine.received); got != want {
			t.Fatalf("at ChatEngine a subscription arrived as %.60s", got)
		}
	}
	if got := next(t, "subscription", p.bridge.received); got != subscribePacket {
		t.Fatalf("at the bridge a subscription arrived as %.60s", got)
	}
}
