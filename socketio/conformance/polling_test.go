package main

import (
	"context"
	"strings"
	"testing"
	"time"
)

// TestPollingEcho: packets are joined by U+001E, binary is b and base64, and
// what is queued together comes together. (Engine.IO 4 protocol, HTTP
// long-polling.)
func TestPollingEcho(t *testing.T) {
	w := serveCalm(t, "engineio")
	for _, body := range []string{
		"4hello", "4test1\x1e4test2\x1e4test3", "4hello\x1ebAQIDBA==", "b", "4", "4\u20ac\U0001f600",
		"4" + strings.Repeat("x", 900_000),
	} {
		sid := w.open()
		w.want("post", w.post(sid, body), 200, "ok")
		w.want("poll", w.poll(sid), 200, body)
	}
}

// TestPollingInvalid: the POST fails and the session is gone.
func TestPollingInvalid(t *testing.T) {
	w := serveCalm(t, "engineio")
	for _, body := range []string{"abc", "", "9", "4ok\x1ex", "b!!!", "4a\x1e", "\x1e4a"} {
		sid := w.open()
		if a := w.post(sid, body); a.err == nil && a.status != 400 {
			t.Errorf("POST %q: %d %q, want 400", body, a.status, a.body)
		}
		w.want("poll after "+body, w.poll(sid), 400, "")
	}
}

// TestPollingPing: pings go from server to client alone.
func TestPollingPing(t *testing.T) {
	w := serveCalm(t, "engineio")
	sid := w.open()
	w.post(sid, "2") // Node's server answers ok and closes
	w.want("poll after a ping", w.poll(sid), 400, "")
}

// TestPollingTooLarge: 413, and the session goes on.
func TestPollingTooLarge(t *testing.T) {
	w := serveCalm(t, "engineio")
	sid := w.open()
	if a := w.post(sid, "4"+strings.Repeat("x", 1_000_000)); a.err == nil && a.status != 413 {
		t.Errorf("POST of 1,000,001 bytes: %d, want 413", a.status)
	}
	w.want("post after it", w.post(sid, "4after it"), 200, "ok")
	w.want("poll after it", w.poll(sid), 200, "4after it")
}

// TestDuplicatePoll: the first poll gets the close packet, the second is refused.
func TestDuplicatePoll(t *testing.T) {
	w := serveCalm(t, "engineio")
	for range 20 {
		sid := w.open()
		polls := []<-chan answer{w.pollLater(w.ctx(), sid), w.pollLater(w.ctx(), sid)}
		first, second := <-polls[0], <-polls[1]
		if first.status != 200 {
			first, second = second, first // TCP does not say which came first
		}
		w.want("one poll", first, 200, "1")
		w.want("the other", second, 400, "")
		w.want("afterwards", w.poll(sid), 400, "")
	}
}

// TestAbortedPoll: a client that drops its poll has gone.
func TestAbortedPoll(t *testing.T) {
	w := serveCalm(t, "engineio")
	for range 20 {
		sid := w.open()
		w.forget()
		ctx, abort := context.WithCancel(w.ctx())
		aborted := w.pollLater(ctx, sid)
		w.arrived()
		abort()
		<-aborted
		// The aborted poll has reached the server's handler, which need not
		// have come to the session yet: then the one at once is the first of
		// two, and gets the close packet.
		if a := w.poll(sid); a.status != 200 || a.body != "1" {
			w.want("poll at once", a, 400, "")
		}
		w.want("poll later", w.poll(sid), 400, "")
	}
}

// TestCloseWhilePolling: a close packet answers the poll with a noop, also if
// the server reads the close first, though the poll was sent before.
func TestCloseWhilePolling(t *testing.T) {
	w := serveCalm(t, "engineio")
	for range 20 {
		sid := w.open()
		w.forget()
		poll := w.pollLater(w.ctx(), sid)
		w.arrived()
		w.want("close", w.post(sid, "1"), 200, "ok")
		w.want("poll", <-poll, 200, "6")
		w.want("poll later", w.poll(sid), 400, "")
	}
	inTime := 0
	for range 20 {
		sid := w.open()
		start := time.Now()
		w.want("close first", w.post(sid, "1"), 200, "ok")
		poll := w.poll(sid)
		if time.Since(start) > 80*time.Millisecond {
			continue // this machine is too busy for the test
		}
		inTime++
		w.want("poll that was late", poll, 200, "6")
		w.want("poll later", w.poll(sid), 400, "")
	}
	t.Logf("%d of 20 late polls came within 80 ms", inTime)
}
