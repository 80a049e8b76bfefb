package main

import (
	"testing"
	"time"
)

const (
	pingInterval = 300 * time.Millisecond
	pingTimeout  = 200 * time.Millisecond
)

// TestHeartbeatPolling: the ping comes alone after pingInterval, and again
// after each pong.
func TestHeartbeatPolling(t *testing.T) {
	t.Parallel()
	w := serveMode(t, "engineio")
	sid := w.open()
	for range 3 {
		start := time.Now()
		w.want("poll", w.poll(sid), 200, "2")
		if d := time.Since(start); d < pingInterval-100*time.Millisecond {
			t.Errorf("ping after %v, want %v", d, pingInterval)
		}
		w.want("pong", w.post(sid, "3"), 200, "ok")
	}
}

// TestHeartbeatPollingTimeout: a client that never polls is gone when both
// times have passed since it read the handshake, not a tick later.
func TestHeartbeatPollingTimeout(t *testing.T) {
	t.Parallel()
	w := serveMode(t, "engineio")
	for range 5 {
		sid := w.open()
		time.Sleep(pingInterval + pingTimeout)
		w.want("poll after the time-out", w.poll(sid), 400, "")
	}
}

// TestHeartbeatWebSocket: a ping after each interval; without a pong the end.
func TestHeartbeatWebSocket(t *testing.T) {
	t.Parallel()
	w := serveMode(t, "engineio")
	s := w.connect()
	for range 2 {
		if _, b, err := s.ReadMessage(); err != nil || string(b) != "2" {
			t.Fatalf("received %q, %v, want a ping", b, err)
		}
		s.send("3")
	}
	start := time.Now()
	s.expectClosed()
	if d := time.Since(start); d < pingInterval+pingTimeout-100*time.Millisecond || d > 2*time.Second {
		t.Errorf("closed after %v, want %v", d, pingInterval+pingTimeout)
	}
}

// TestConnectTimeout: who joins no namespace is closed, though the heartbeat
// is answered.
func TestConnectTimeout(t *testing.T) {
	t.Parallel()
	w := serveMode(t, "socketio")
	s := w.connect()
	start := time.Now()
	for {
		if _, _, err := s.ReadMessage(); err != nil {
			break
		}
		s.send("3")
	}
	if d := time.Since(start); d < 900*time.Millisecond || d > 3*time.Second {
		t.Errorf("closed after %v, want the connect time-out of 1 s", d)
	}
}
