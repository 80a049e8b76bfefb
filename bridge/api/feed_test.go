package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chatbridge/bridge/api"
	"chatbridge/bridge/auth"
	"chatbridge/bridge/hub"
	"chatbridge/bridge/replay"
	"chatbridge/internal/sioclient"
	"chatbridge/mapping/contract"
	"chatbridge/socketio"
	"chatbridge/source"
)

// anyone is an Authenticator that believes: the token is the workspace.
type anyone struct{}

func (anyone) Authenticate(_ context.Context, c auth.Credentials) (auth.Principal, error) {
	if c.Token == "" {
		return auth.Principal{}, &auth.Refusal{Code: auth.CodeTokenMissing, Message: "no token"}
	}
	return auth.Principal{Workspace: c.Token, User: "user"}, nil
}

// hubTest is a Server with a publisher of numbered events.
type hubTest struct {
	t      *testing.T
	server *api.Server
	url    string

	mu     sync.Mutex // guards commit: positions must not go back
	commit uint64
}

func startHub(t *testing.T, change func(*api.Options)) *hubTest {
	t.Helper()
	opts := api.Options{
		SocketIO: socketio.DefaultOptions(), Hub: hub.DefaultOptions(),
		ExpiryGrace: -1, Logger: slog.New(slog.DiscardHandler),
	}
	opts.SocketIO.Path = "/api/ws"
	opts.Hub.SubscribeGrace = 20 * time.Millisecond
	if change != nil {
		change(&opts)
	}
	server, url := serve(t, opts, anyone{})
	return &hubTest{t: t, server: server, url: url}
}

// serve serves a Server until the end of the test.
func serve(t *testing.T, opts api.Options, a api.Authenticator) (server *api.Server, url string) {
	t.Helper()
	server, err := api.New(opts, a)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	running := make(chan struct{})
	go func() {
		defer close(running)
		_ = server.Run(ctx)
	}()
	web := httptest.NewServer(server.Handler())
	t.Cleanup(func() {
		if err := server.SocketIO().Shutdown(context.WithoutCancel(t.Context()), socketio.ShutdownOptions{}); err != nil {
			t.Error(err)
		}
		web.Close()
		stop()
		<-running
	})
	return server, web.URL
}

// publish publishes an event and returns its number.
func (h *hubTest) publish(workspace string, kind contract.Kind, conversation, message string) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.commit++
	at := source.Position{Commit: h.commit, Index: 1}
	payload := fmt.Appendf(nil, `{"n":%d,"workspace":%q,"conversation":%q,"message":%q}`, h.commit, workspace, conversation, message)
	offset := append(hub.AppendOffset([]byte{'"'}, hub.Offset{Position: at, Commit: time.Now()}), '"')
	h.server.Hub().Publish(&hub.Event{
		Position: at, Kind: kind, Workspace: []byte(workspace), Conversation: []byte(conversation), Message: []byte(message),
		Packet: socketio.NewEvent(hub.Namespace, kind.String(), payload, offset),
	}, time.Now())
	return h.commit
}

// live waits until no client is fed from the log, which has no typing.
func (h *hubTest) live() {
	h.t.Helper()
	for end := time.Now().Add(time.Minute); h.server.Hub().Stats().Catching > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatal("a client is fed from the log and does not go live")
		}
	}
}

// received is one event as a client got it.
type received struct {
	event                            string
	N                                uint64
	Workspace, Conversation, Message string
}

func (r received) String() string {
	return fmt.Sprintf("%d:%s %s%s", r.N, r.event, r.Conversation, r.Message)
}

// viewer is a client that keeps all it gets.
type viewer struct {
	*sioclient.Client
	t         *testing.T
	connected chan sioclient.Session

	mu   sync.Mutex
	got  []received
	news chan struct{}
}

// connect connects a client and waits until it is in. stop ends it.
func (h *hubTest) connect(workspace string, subscribe ...string) (v *viewer, stop func()) {
	h.t.Helper()
	v = &viewer{t: h.t, connected: make(chan sioclient.Session, 100), news: make(chan struct{}, 1)}
	client, err := sioclient.New(sioclient.Options{
		URL: h.url, Auth: map[string]any{"token": workspace},
		Backoff: sioclient.Backoff{Delay: 5 * time.Millisecond, Most: 50 * time.Millisecond},
		OnEvent: v.take,
		OnConnect: func(s sioclient.Session) {
			for _, conversation := range subscribe {
				_ = v.Emit("subscribe:conversation", conversation)
			}
			v.connected <- s
		},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	v.Client = client
	ctx, cancel := context.WithCancel(h.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = client.Run(ctx)
	}()
	stop = func() { cancel(); <-done }
	h.t.Cleanup(stop)
	<-v.connected
	return v, stop
}

func (v *viewer) take(e sioclient.Event) {
	r := received{event: e.Name}
	if len(e.Args) > 0 {
		_ = json.Unmarshal(e.Args[0], &r)
	}
	v.mu.Lock()
	v.got = append(v.got, r)
	v.mu.Unlock()
	select {
	case v.news <- struct{}{}:
	default:
	}
}

// await waits until ok, given all that was received, says so. ok must not keep it.
func (v *viewer) await(what string, ok func([]received) bool) []received {
	v.t.Helper()
	timeout := time.After(60 * time.Second)
	for {
		v.mu.Lock()
		here := ok(v.got)
		got := v.got[:len(v.got):len(v.got)] // it only grows
		v.mu.Unlock()
		if here {
			return got
		}
		select {
		case <-v.news:
		case <-timeout:
			v.t.Fatalf("%s did not come; got %v", what, got)
		}
	}
}

// until waits for the event with the number n.
func (v *viewer) until(n uint64) []string {
	v.t.Helper()
	got := v.await(fmt.Sprintf("event %d", n), func(got []received) bool {
		return slices.ContainsFunc(got, func(r received) bool { return r.N == n })
	})
	names := []string{}
	for _, r := range got {
		if r.event == "pong" {
			continue
		}
		names = append(names, r.String())
	}
	return names
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestNewClientIsCaughtUp(t *testing.T) {
	t.Parallel()
	h := startHub(t, patient)
	h.publish("w", contract.Message, "a", "m1")
	h.publish("w", contract.Conversation, "a", "")
	h.publish("w", contract.MessageStatus, "a", "m1")
	h.publish("w", contract.Message, "b", "m2")
	h.publish("w", contract.MessageStatus, "a", "m1")
	h.publish("w", contract.Conversation, "a", "")

	v, _ := h.connect("w")
	v.until(6) // on connect
	if _, err := v.EmitAck(t.Context(), "subscribe:conversation", "a"); err != nil {
		t.Fatal(err)
	}
	atOnce, _ := h.connect("w", "a")
	if err := subscribed(atOnce); err != nil {
		t.Fatal(err)
	}
	live := h.publish("w", contract.Message, "a", "m3")
	onConnect := []string{"5:messageStatus am1", "6:conversation a"}
	// The message, and behind it the status that it has by now.
	onSubscribe := []string{"1:message am1", "5:messageStatus am1", "6:conversation a", "7:message am3"}
	both := slices.Concat(onConnect, onSubscribe)
	expect(t, v.until(live), both...)
	// Who subscribes before the log is read on connect is sent all of it once.
	if got := atOnce.until(live); !slices.Equal(got, onSubscribe) {
		expect(t, got, both...)
	}
}

// patient waits for the subscriptions of clients on a machine that is busy.
func patient(o *api.Options) { o.Hub.SubscribeGrace = time.Minute }

// subscribed waits until what the client emitted before has been handled.
func subscribed(v *viewer) error {
	_, err := v.EmitAck(v.t.Context(), "ping")
	return err
}

func TestClientWithoutSubscriptionGetsAllMessages(t *testing.T) {
	t.Parallel()
	h := startHub(t, nil)
	h.publish("w", contract.Message, "a", "m1")
	h.publish("w", contract.Message, "b", "m2")
	v, _ := h.connect("w")
	v.until(2)
	live := h.publish("w", contract.Message, "c", "m3")
	expect(t, v.until(live), "1:message am1", "2:message bm2", "3:message cm3")
}

func TestSubscriptionsFilterMessagesAlone(t *testing.T) {
	t.Parallel()
	h := startHub(t, patient)
	v, _ := h.connect("w", "a")
	if err := subscribed(v); err != nil {
		t.Fatal(err)
	}
	h.publish("w", contract.Message, "a", "m1")
	h.publish("w", contract.Message, "b", "m2")
	h.publish("w", contract.Conversation, "b", "")
	h.publish("other", contract.Conversation, "x", "")
	v.until(h.publish("w", contract.MessageStatus, "b", "m2"))
	h.live()
	n := h.publish("w", contract.Typing, "b", "")
	expect(t, v.until(n), "1:message am1", "3:conversation b", "5:messageStatus bm2", "6:typing b")

	if _, err := v.EmitAck(t.Context(), "unsubscribe:conversation", "a"); err != nil {
		t.Fatal(err)
	}
	n = h.publish("w", contract.Message, "b", "m3")
	if got := v.until(n); got[len(got)-1] != "7:message bm3" {
		t.Errorf("after the last subscription was taken back: %v", got)
	}
}

func TestReturningClientGetsExactlyWhatItMissed(t *testing.T) {
	t.Parallel()
	h := startHub(t, patient)
	v, _ := h.connect("w", "a")
	if err := subscribed(v); err != nil {
		t.Fatal(err)
	}
	v.until(h.publish("w", contract.Message, "a", "m1"))
	h.server.SocketIO().CloseSome(1, 0)
	for range 3 {
		h.publish("w", contract.Message, "a", "m")
		h.publish("w", contract.Message, "b", "m")
	}
	if s := <-v.connected; !s.Recovered {
		t.Error("the session was not restored")
	}
	got := v.until(h.publish("w", contract.Message, "a", "last"))
	slices.Sort(got)
	if len(slices.Compact(slices.Clone(got))) != len(got) {
		t.Errorf("something came twice: %v", got)
	}
	if n := len(got); n != 5 {
		t.Errorf("got %d messages, want the 5 of the conversation: %v", n, got)
	}
}

// TestUnfinishedCatchUpGoesOn: a client that was cut while it
// was being caught up has an offset that lies past what it has not received.
func TestUnfinishedCatchUpGoesOn(t *testing.T) {
	t.Parallel()
	h := startHub(t, patient)
	h.publish("w", contract.Message, "a", "m1")
	h.publish("w", contract.Conversation, "a", "")
	v, stop := h.connect("w", "a")
	v.until(2)
	h.server.SocketIO().CloseSome(1, 0)
	<-v.connected
	v.until(1)
	stop()
}

// TestRepeatedEventsAreDropped: a source that lost its connection in the midst
// of a transaction begins it again.
func TestRepeatedEventsAreDropped(t *testing.T) {
	t.Parallel()
	h := startHub(t, nil)
	v, _ := h.connect("w")
	h.publish("w", contract.Message, "a", "m1")
	h.publish("w", contract.Message, "a", "m2")
	v.until(2)
	h.commit = 0
	h.publish("w", contract.Message, "a", "m1")
	h.publish("w", contract.Message, "a", "m2")
	n := h.publish("w", contract.Message, "a", "m3")
	expect(t, v.until(n), "1:message am1", "2:message am2", "3:message am3")
	if s := h.server.Hub().Stats(); s.Repeated != 2 || s.Replay.Events != 3 {
		t.Errorf("%d repeated, %d in the log; want 2 and 3", s.Repeated, s.Replay.Events)
	}
}

// TestAnotherHistory: after a restore positions begin anew, and an offset of
// the old history means nothing in the new one.
func TestAnotherHistory(t *testing.T) {
	t.Parallel()
	h := startHub(t, patient)
	v, _ := h.connect("w", "a")
	if err := subscribed(v); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		h.publish("w", contract.Message, "a", "old")
	}
	v.until(5)
	h.server.Hub().Restart(time.Time{}, time.Now(), time.Now())
	h.commit = 0
	for range 7 {
		h.publish("w", contract.Message, "a", "new")
	}
	v.until(7)
	h.server.SocketIO().CloseSome(1, 0)
	if s := <-v.connected; s.Recovered {
		t.Error("a session of the old history was restored")
	}
}

func TestTooManySubscriptions(t *testing.T) {
	t.Parallel()
	h := startHub(t, func(o *api.Options) { o.Hub.MaxSubscriptions = 2 })
	v, _ := h.connect("w", "a", "b", "a")
	ack, err := v.EmitAck(t.Context(), "subscribe:conversation", "c")
	if err != nil || len(ack) != 1 || !bytes.Contains(ack[0], []byte(`"too_many_subscriptions"`)) {
		t.Errorf("acknowledgement %s, error %v", ack, err)
	}
	if ack, err := v.EmitAck(t.Context(), "subscribe:conversation", "b"); err != nil || string(ack[0]) != `{"ok":true}` {
		t.Errorf("a repeated subscription: %s, error %v", ack, err)
	}
}

// TestNothingIsLostUnderCutsAndFullQueues publishes from one goroutine while
// clients are cut at random and their queues are far too small. Every client
// ends with every message of its conversations, each first copy in order, and
// with the newest status of each.
func TestNothingIsLostUnderCutsAndFullQueues(t *testing.T) {
	t.Parallel()
	const clients, events, conversations = 12, 4000, 6
	h := startHub(t, func(o *api.Options) {
		o.SocketIO.QueuePackets = 16
		o.Hub.Replay = replay.Options{Window: time.Minute, MaxEvents: 1 << 20, MaxBytes: 1 << 30}
	})
	var viewers []*viewer
	for i := range clients {
		var subscribe []string
		if i%3 > 0 {
			subscribe = []string{fmt.Sprintf("c%d", i%conversations), fmt.Sprintf("c%d", (i+1)%conversations)}
		}
		v, _ := h.connect("w", subscribe...)
		viewers = append(viewers, v)
	}
	cutting, cut := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(3 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-cutting.Done():
				return
			case <-tick.C:
				h.server.SocketIO().CloseSome(1, 0)
			}
		}
	}()
	status := map[string]uint64{}
	var messages []received
	for i := range events {
		conversation := fmt.Sprintf("c%d", i%conversations)
		message := fmt.Sprintf("m%d", i)
		n := h.publish("w", contract.Message, conversation, message)
		messages = append(messages, received{N: n, Conversation: conversation, Message: message})
		status[message] = h.publish("w", contract.MessageStatus, conversation, message)
		if i%100 == 99 {
			time.Sleep(time.Millisecond) // lets readers run: pacing, not waiting for a state
		}
	}
	cut()
	<-done
	for i, v := range viewers {
		var want []received
		for _, m := range messages {
			if i%3 == 0 || m.Conversation == fmt.Sprintf("c%d", i%conversations) || m.Conversation == fmt.Sprintf("c%d", (i+1)%conversations) {
				want = append(want, m)
			}
		}
		v.await("the end", func(got []received) bool {
			// Until then something is missing for certain, which costs nothing to find.
			return len(got) >= 2*len(want) && complete(got, want, status) == ""
		})
		v.mu.Lock()
		checkOrder(t, i, v.got)
		v.mu.Unlock()
	}
	s := h.server.Hub().Stats()
	catchUps, gaps := s.ByReason()
	t.Logf("catch-ups by reason %v, packets from the log %d, gaps %v", catchUps, s.CaughtUp, gaps)
	for reason, n := range gaps {
		if n > 0 {
			t.Errorf("%d clients lack something (%s) of a log that holds everything", n, reason)
		}
	}
}

// complete tells what the CRM's view lacks: it drops messages that it has, and
// statuses of messages that it has not.
func complete(got, want []received, status map[string]uint64) string {
	has := map[string]uint64{}
	for _, r := range got {
		switch _, known := has[r.Message]; {
		case r.event == "message" && !known:
			has[r.Message] = 0
		case r.event == "messageStatus" && known:
			has[r.Message] = r.N
		}
	}
	for _, m := range want {
		n, ok := has[m.Message]
		if !ok {
			return "message " + m.Message
		}
		if n != status[m.Message] {
			return "the status of " + m.Message
		}
	}
	return ""
}

// checkOrder: within a conversation, the first copies of messages come in the
// order of their publication.
func checkOrder(t *testing.T, client int, got []received) {
	t.Helper()
	last, seen := map[string]uint64{}, map[uint64]bool{}
	for _, r := range got {
		if r.event != "message" || seen[r.N] {
			continue
		}
		seen[r.N] = true
		if r.N < last[r.Conversation] {
			t.Errorf("client %d: in %s, %d came first after %d", client, r.Conversation, r.N, last[r.Conversation])
			return
		}
		last[r.Conversation] = r.N
	}
}
