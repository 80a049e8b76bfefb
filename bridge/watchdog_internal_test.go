package bridge

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"chatbridge/bridge/hub"
	"chatbridge/bridge/ops"
	"chatbridge/configs"
)

// daemon makes one that has no database, and ends it with the test.
func daemonWithoutDatabase(t *testing.T) *Daemon {
	t.Helper()
	cfg, err := configs.Load(configs.Sources{Complete: true, Env: []string{
		"BRIDGE_LISTEN=127.0.0.1:0", "BRIDGE_ADMIN_LISTEN=127.0.0.1:0",
		"DATABASE_URL=postgres://a:b@127.0.0.1:1/db", "CHATENGINE_JWT_SECRET=0123456789abcdef0123456789abcdef",
	}})
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(cfg, Options{Build: ops.Build{Version: "v1"}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		cancel()
		if err := d.Run(ctx); err != nil {
			t.Errorf("end: %v", err)
		}
	})
	return d
}

// heldSocket is a socket that the Hub waits for while it holds its lock.
type heldSocket struct {
	hub.Socket
	held, free chan struct{}
}

func (s heldSocket) Join(string) error { return nil }
func (s heldSocket) Leave(string)      {}
func (s heldSocket) Pause(paused bool) {
	if paused {
		close(s.held)
		<-s.free
	}
}

// TestAliveNeedsTheHub: while nothing can be published, the watchdog gets no
// sign of life, because the check does not return.
func TestAliveNeedsTheHub(t *testing.T) {
	d := daemonWithoutDatabase(t)
	if err := d.watchdog().Alive(); err != nil {
		t.Fatalf("idle: %v", err)
	}
	done := make(chan error, 1)
	held := heldSocket{held: make(chan struct{}), free: make(chan struct{})}
	attached := make(chan struct{})
	client := &hub.Client{Workspace: "w", User: "u"}
	go func() {
		defer close(attached)
		d.api.Hub().Attach(client, held, "", time.Time{})
	}()
	<-held.held
	go func() { done <- d.watchdog().Alive() }()
	select {
	case err := <-done:
		done <- err
		t.Error("alive while the hub was held")
	case <-time.After(50 * time.Millisecond):
	}
	close(held.free)
	<-attached
	d.api.Hub().Detach(client)
	if err := <-done; err != nil {
		t.Errorf("after it was freed: %v", err)
	}
}
