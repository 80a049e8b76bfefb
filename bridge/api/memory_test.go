package api_test

import (
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"chatbridge/bridge/api"
	"chatbridge/bridge/hub"
	"chatbridge/internal/baseline"
	"chatbridge/socketio"
)

// These tests measure the heap, so none of them runs beside another.

// startMeasured is startNamed with a server whose sessions can come back for a
// minute, and that takes subscriptions as fast as they come.
func startMeasured(t *testing.T, change func(*hub.Options)) (server *api.Server, url string) {
	t.Helper()
	opts := api.Options{
		SocketIO: socketio.DefaultOptions(), Hub: hub.DefaultOptions(),
		ExpiryGrace: -1, Logger: slog.New(slog.DiscardHandler),
	}
	opts.SocketIO.Path = "/api/ws"
	opts.SocketIO.Limits.InboundPacketsPerSecond = 0
	if change != nil {
		change(&opts.Hub)
	}
	server, url = serve(t, opts, named{})
	return server, "ws" + strings.TrimPrefix(url, "http")
}

// heap is what is in use once all garbage is gone.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestAConnectPayloadIsNotKept: a client that connects with a large payload takes
// no more than one that connects with a small one, once its token was judged.
func TestAConnectPayloadIsNotKept(t *testing.T) {
	server, url := startMeasured(t, nil)
	const sockets, size = 100, 30_000
	var people []*person
	took := func(more string) int64 {
		before := heap()
		for range sockets {
			p := join(t, url, "w1/ana/1h", more)
			p.say(`420["ping"]`)
			p.until(`430`)
			people = append(people, p)
		}
		return (heap() - before) / sockets
	}
	leave := func() {
		for _, p := range people {
			_ = p.Close()
		}
		people = nil
		awaitClients(t, server, 0)
	}
	took("") // what a process needs once
	leave()
	before := baseline.Take(t)
	small, large := took(""), took(`,"more":"`+strings.Repeat("x", size)+`"`)
	t.Logf("a socket with a small payload takes %d bytes, with one of %d bytes %d", small, size, large)
	if large > small+size/4 {
		t.Errorf("a socket with a payload of %d bytes takes %d, one with a small payload %d", size, large, small)
	}
	leave()
	before.Await(t)
}

// subscribeTo subscribes to n conversations with ids of a length that nobody else
// has, and returns the last answer.
func (p *person) subscribeTo(n, length int, prefix string) string {
	p.t.Helper()
	for i := range n {
		id := fmt.Sprintf("%s-%06d-", prefix, i)
		p.say(fmt.Sprintf(`42%d["subscribe:conversation",%q]`, i, id+strings.Repeat("x", length-len(id))))
	}
	return p.until(fmt.Sprintf("43%d[", n-1))
}

// TestLongIdsAreRefused: an id is kept for as long as its session.
func TestLongIdsAreRefused(t *testing.T) {
	_, url := startMeasured(t, nil)
	p := join(t, url, "w1/ana/1h", "")
	if got := p.subscribeTo(1, 128, "a"); !strings.Contains(got, `"ok":true`) {
		t.Errorf("an id of 128 bytes was answered %s", got)
	}
	if got := p.subscribeTo(1, 129, "b"); !strings.Contains(got, `"bad_request"`) {
		t.Errorf("an id of 129 bytes was answered %s", got)
	}
}

// TestSessionsThatLeftAreBounded: what the subscriptions of clients take is
// accounted for, while they are there and after they left, and is bounded in all.
func TestSessionsThatLeftAreBounded(t *testing.T) {
	const clients, subscriptions, bound = 24, 900, 4 << 20
	server, url := startMeasured(t, func(o *hub.Options) { o.SessionBytes = bound })
	attack := idle(t, server, url)
	attack.Margin += 2 * bound // of sessions that may come back
	before := heap()
	for i := range clients {
		p := join(t, url, "w1/ana/1h", "")
		last := p.subscribeTo(subscriptions, 128, fmt.Sprint("client", i))
		if !strings.Contains(last, `"ok":true`) {
			t.Fatalf("client %d: the last subscription was answered %s, though only sessions that have ended take the memory", i, last)
		}
		if got := server.Hub().Stats().SessionBytes; got < subscriptions*128 || got > bound {
			t.Fatalf("client %d: %d bytes are accounted for, the bound is %d", i, got, bound)
		}
		_ = p.Close()
		awaitClients(t, server, 0)
	}
	s := server.Hub().Stats()
	grown := heap() - before
	t.Logf("%d bytes are accounted for, the heap grew by %d; limited: %v", s.SessionBytes, grown, s.Limited())
	if grown > 2*bound {
		t.Errorf("the heap grew by %d, the bound is %d", grown, bound)
	}
	if s.Limited()["saved_sessions"] == 0 {
		t.Error("nothing was counted")
	}
	attack.Await(t)
}

// TestOneWorkspaceTakesNotAllSubscriptions: one that takes all the memory for
// subscriptions is refused more, another is not.
func TestOneWorkspaceTakesNotAllSubscriptions(t *testing.T) {
	const bound = 512 << 10
	server, url := startMeasured(t, func(o *hub.Options) { o.SessionBytes = bound })
	before := idle(t, server, url)
	before.Margin += 2 * bound // of sessions that may come back
	victim := join(t, url, "w2/bob/1h", "")
	greedy := join(t, url, "w1/ana/1h", "")
	if got := greedy.subscribeTo(900, 128, "a"); !strings.Contains(got, `"too_many_subscriptions"`) {
		t.Errorf("the last subscription was answered %s", got)
	}
	if got := victim.subscribeTo(100, 128, "b"); !strings.Contains(got, `"ok":true`) {
		t.Errorf("another workspace's subscription was answered %s", got)
	}
	s := server.Hub().Stats()
	if s.Limited()["session_bytes"] == 0 || s.SessionBytes > 2*bound {
		t.Errorf("limited %v, %d bytes", s.Limited(), s.SessionBytes)
	}
	_, _ = victim.Close(), greedy.Close()
	before.Await(t)
}

// idle has the server serve a client, and takes the baseline to which the process has
// to come back when an attack on the server is over. The Authenticator is a named.
func idle(t *testing.T, server *api.Server, url string) *baseline.Baseline {
	t.Helper()
	p := join(t, url, "w1/ana/1h", "")
	p.say(`420["ping"]`)
	p.until(`430`)
	_ = p.Close()
	awaitClients(t, server, 0)
	return baseline.Take(t)
}

// awaitClients waits until so many clients are connected.
func awaitClients(t *testing.T, server *api.Server, n int) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); server.Hub().Stats().Clients != n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d clients are connected, want %d", server.Hub().Stats().Clients, n)
		}
	}
}
