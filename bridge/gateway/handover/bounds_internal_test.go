package handover

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestSubscriptionsOfAFeedAreBounded: what a client subscribes to is kept for as long
// as the hand-over, and no longer.
func TestSubscriptionsOfAFeedAreBounded(t *testing.T) {
	f := &feed{changed: make(chan struct{}, 1), cancel: func() {}}
	large := fmt.Appendf(nil, `42["subscribe:conversation",%q]`, strings.Repeat("x", 500_000))
	if f.send(large) {
		t.Errorf("a subscription of %d bytes is kept", len(large))
	}
	for f.send(bytes.Repeat([]byte("x"), maxSubscription)) {
		if len(f.subscriptions) > 10_000 {
			t.Fatal("there is no bound")
		}
	}
	size := 0
	for _, p := range f.subscriptions {
		size += cap(p)
	}
	if size > 512<<10 {
		t.Errorf("the subscriptions of a client take %d bytes", size)
	}
	if f.end(); len(f.from(0)) > 0 {
		t.Error("they are kept after the end")
	}
}

// TestSentStatesAreBounded: a feed of events with long ids, or of one conversation
// that changes again and again, takes no more than its bound.
func TestSentStatesAreBounded(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	for name, packet := range map[string]func(i int) string{
		"long ids": func(i int) string { return fmt.Sprintf(`42["message",{"id":"%d%s"}]`, i, long) },
		"one thing": func(i int) string {
			return fmt.Sprintf(`42["conversation",{"id":"c","lastMessage":{"id":"%d%s"}}]`, i, long)
		},
		"many small": func(i int) string { return fmt.Sprintf(`42["message",{"id":"%d"}]`, i) },
	} {
		var s sentStates
		size, most := 0, 60_000
		if name != "many small" {
			most = 1000
		}
		for i := range most {
			s.add([]byte(packet(i)))
		}
		for subject, states := range s.of {
			size += len(subject)
			for _, state := range states {
				size += len(state)
			}
		}
		if size > maxSent || size == 0 {
			t.Errorf("%s: %d bytes are remembered", name, size)
		}
	}
}

// TestALargeConnectEndsTheHandover: the bridge would refuse it, again and again.
func TestALargeConnectEndsTheHandover(t *testing.T) {
	h := handoverWithoutAClient(t)
	h.connect([]byte(`40{"token":"` + strings.Repeat("x", maxConnect) + `"}`))
	if !h.hasEnded() || h.service.Outcomes()["overrun"] != 1 {
		t.Errorf("outcomes %v", h.service.Outcomes())
	}
	// What comes after the end is not kept.
	h.subscribe([]byte(`42["subscribe:conversation","a"]`))
	if n := len(h.feed.from(0)); n > 0 {
		t.Errorf("%d subscriptions are kept after the end", n)
	}
}

// handoverWithoutAClient is a hand-over that has just begun.
func handoverWithoutAClient(t *testing.T) *Handover {
	t.Helper()
	s := New(Options{Path: "/api/ws", CatchUpWait: time.Minute, CatchUpLate: time.Minute, Fresh: func(time.Time) bool { return false }})
	nowhere := Side{Write: func([]byte) error { return nil }}
	h := s.Start(httptest.NewRequest(http.MethodGet, "/api/ws/", nil), http.Header{}, nowhere, nowhere)
	t.Cleanup(h.Stop)
	return h
}
