package main

import (
	"fmt"
	"strings"
	"testing"
)

// probe opens the WebSocket of an upgrade and exchanges the probe.
func (w wire) probe(sid string) socket {
	w.t.Helper()
	s := w.mustDial(webSocket + "&sid=" + sid)
	s.send("2probe")
	s.expect("3probe")
	return s
}

// TestUpgrade: a poll after the probe is answered with a noop, packets go by
// WebSocket after 5, and HTTP requests are refused from then on.
// (Engine.IO 4 protocol, Upgrade.)
func TestUpgrade(t *testing.T) {
	w := serveCalm(t, "engineio")
	sid := w.open()
	s := w.probe(sid)
	w.want("poll while upgrading", w.poll(sid), 200, "6")
	s.send("5")
	s.send("4hello")
	s.expect("4hello")
	w.want("poll", w.poll(sid), 400, "")
	second, err := w.dial(webSocket + "&sid=" + sid)
	if err == nil {
		second.expectClosed()
	}
	s.send("4hello again")
	s.expect("4hello again")
}

// TestUpgradeThenPoll: the poll may be read before the 5, which went out first
// on another connection; it must be refused all the same.
func TestUpgradeThenPoll(t *testing.T) {
	w := serveCalm(t, "engineio")
	for range 30 {
		sid := w.open()
		s := w.probe(sid)
		s.send("5")
		w.want("poll", w.poll(sid), 400, "")
		s.send("4hello")
		s.expect("4hello")
		_ = s.Close()
	}
}

// TestUpgradeWithPollPending: the pending poll ends with a noop, so that the
// client can move.
func TestUpgradeWithPollPending(t *testing.T) {
	w := serveCalm(t, "engineio")
	for range 10 {
		sid := w.open()
		poll := w.pollLater(w.ctx(), sid)
		s := w.probe(sid)
		w.want("pending poll", <-poll, 200, "6")
		s.send("5")
		s.send("4hello")
		s.expect("4hello")
		_ = s.Close()
	}
}

// TestSecondUpgrade: a second WebSocket while one is being tried is closed,
// and does not disturb the first.
func TestSecondUpgrade(t *testing.T) {
	w := serveCalm(t, "engineio")
	sid := w.open()
	s := w.probe(sid)
	if second, err := w.dial(webSocket + "&sid=" + sid); err == nil {
		second.expectClosed()
	}
	s.send("5")
	s.send("4hello")
	s.expect("4hello")
}

// TestUpgradeAborted: a WebSocket that is closed before the 5 leaves the
// polling session as it was.
func TestUpgradeAborted(t *testing.T) {
	w := serveCalm(t, "engineio")
	for _, end := range []func(s socket){
		func(s socket) { _ = s.Close() },
		func(s socket) { s.send("4not yet"); s.expectClosed() },
	} {
		sid := w.open()
		end(w.probe(sid))
		w.want("post", w.post(sid, "4hello"), 200, "ok")
		for {
			a := w.poll(sid)
			if a.status == 200 && a.body == "6" {
				continue // the noop of the upgrade that began
			}
			w.want("poll", a, 200, "4hello")
			break
		}
	}
}

// TestUpgradeKeepsOrder: what is queued without a poll is flushed by
// WebSocket, in order, before what comes after.
func TestUpgradeKeepsOrder(t *testing.T) {
	w := serveCalm(t, "engineio")
	sid := w.open()
	s := w.probe(sid)
	var packets []string
	for i := range 100 {
		packets = append(packets, fmt.Sprintf("4%d", i))
	}
	w.want("post while upgrading", w.post(sid, strings.Join(packets, "\x1e")), 200, "ok")
	s.send("5")
	s.send("4last")
	for _, p := range packets {
		s.expect(p)
	}
	s.expect("4last")
}
