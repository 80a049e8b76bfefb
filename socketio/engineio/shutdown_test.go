package engineio_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"chatbridge/socketio/engineio"
	"chatbridge/socketio/internal/rawclient"
)

func TestShutdown(t *testing.T) {
	a := newApp()
	s, url := serve(t, a, nil)
	var clients []*rawclient.WS
	for range 5 {
		clients = append(clients, dial(t, url))
	}
	p := rawclient.OpenPolling(t, url)
	got := pollLater(t, s, p)
	rawclient.OpenPolling(t, url) // without a poll nothing can be sent
	if err := s.Shutdown(t.Context(), 2, time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if s.Len() != 0 {
		t.Errorf("%d sessions left", s.Len())
	}
	for range 7 {
		a.wantClosed(t, engineio.Shutdown)
	}
	for _, c := range clients {
		c.WantClosed()
	}
	if r := <-got; r.Body != "1" {
		t.Errorf("the poll got %q, want 1", r.Body)
	}
	wantRefused(t, s, url, engineio.ShuttingDown)
	if err := s.Shutdown(t.Context(), 0, 0); err != nil {
		t.Errorf("once more: %v", err)
	}
}

// Clients that read nothing do not delay Shutdown past the end of its context.
func TestShutdownCut(t *testing.T) {
	a := newApp()
	s, url := serve(t, a, nil)
	stuck(t, url)
	session := a.next(t)
	for range 7 {
		session.Send(engineio.NewMessage([]byte(strings.Repeat("x", 1<<20))))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx, 1, time.Hour); err != context.DeadlineExceeded {
		t.Errorf("got %v", err)
	}
	a.wantClosed(t, engineio.Shutdown)
}

// A polling session whose close packet waits for a poll does not delay Shutdown.
func TestShutdownOfClosingSession(t *testing.T) {
	a := newApp()
	s, url := serve(t, a, func(o *engineio.Options) { o.WriteTimeout = time.Hour })
	rawclient.OpenPolling(t, url)
	a.next(t).Close(engineio.ServerClose)
	ctx, cancel := context.WithTimeout(t.Context(), rawclient.Timeout)
	defer cancel()
	if err := s.Shutdown(ctx, 0, 0); err != nil {
		t.Error(err)
	}
	a.wantClosed(t, engineio.ServerClose)
}

func TestPick(t *testing.T) {
	s, url := serve(t, newApp(), nil)
	for range 4 {
		dial(t, url)
	}
	for n, want := range map[int]int{0: 0, 3: 3, 9: 4, -1: 4} {
		if got := len(s.Pick(n)); got != want {
			t.Errorf("picked %d of 4 when asked for %d", got, n)
		}
	}
	if sid := s.Pick(1)[0].ID(); !s.Knows(sid) || s.Knows("x"+sid) {
		t.Error("Knows is wrong")
	}
}

func TestOptionsValidate(t *testing.T) {
	if err := engineio.DefaultOptions().Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	for name, change := range map[string]func(*engineio.Options){
		"PingInterval":  func(o *engineio.Options) { o.PingInterval = 0 },
		"PingTimeout":   func(o *engineio.Options) { o.PingTimeout = 1500 * time.Microsecond },
		"MaxPayload":    func(o *engineio.Options) { o.MaxPayload = 0 },
		"QueuePackets":  func(o *engineio.Options) { o.QueuePackets = 0 },
		"GatherMax":     func(o *engineio.Options) { o.GatherMax = -1 },
		"SIDPrefix":     func(o *engineio.Options) { o.SIDPrefix = "a b" },
		"WriteTimeout":  func(o *engineio.Options) { o.WriteTimeout = -1 },
		"UpgradeTimeou": func(o *engineio.Options) { o.UpgradeTimeout = 0 },
	} {
		o := engineio.DefaultOptions()
		change(&o)
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v does not name it", name, err)
		}
		if _, err := engineio.NewServer(o, newApp()); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
