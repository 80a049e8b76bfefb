package socketio_test

import (
	"context"
	"testing"

	"chatbridge/socketio"
	"chatbridge/socketio/engineio"
	"chatbridge/socketio/internal/rawclient"
)

// TestCallbacksRunWithoutLocks takes every lock of the server, the namespace and the
// engine in every callback. One that is held shows as a test that hangs.
func TestCallbacksRunWithoutLocks(t *testing.T) {
	calls := make(map[string]bool) // by one client at a time, so without a lock
	var f *fixture
	take := func(call string, s *socketio.Socket) {
		calls[call] = true
		_, _, _ = f.server.Stats(), f.server.Len(), f.server.Namespace("/other")
		_, _ = f.ns.Len(), f.ns.Room("room").Len()
		f.ns.BroadcastTo(event("x"), f.ns.Room("room"))
		if s != nil {
			_, _, _ = s.Rooms(), s.Done(), s.Transport()
		}
	}
	f = newFixture(t, func(o *socketio.Options) {
		recovering(o)
		o.QueuePackets = 4
		o.OnQueueFull = func(s *socketio.Socket, _ *socketio.Packet) bool { take("OnQueueFull", s); return true }
		o.Recovery.Validate = func(any, any, string) bool { take("Validate", nil); return true }
	})
	sockets, ended := make(chan *socketio.Socket, 1), make(chan struct{}, 1)
	f.ns.OnAuth(func(context.Context, *socketio.Handshake) (any, error) { take("OnAuth", nil); return nil, nil })
	f.ns.OnConnect(func(s *socketio.Socket) { take("OnConnect", s); sockets <- s })
	f.ns.OnEvent(func(s *socketio.Socket, _ *socketio.Event) { take("OnEvent", s); _ = s.Emit("y") })
	f.ns.OnDisconnect(func(s *socketio.Socket, _ engineio.Reason) { take("OnDisconnect", s); ended <- struct{}{} })

	c := f.dial()
	c.Send("40")
	got := f.wantConnect(c)
	<-sockets
	c.Send(`42["z"]`)
	c.Want(`42["y"]`)
	_ = c.Conn.Close()
	<-ended
	p := rawclient.OpenPolling(t, f.url)
	p.WantPost("40" + resume(got, "position"))
	s := <-sockets
	for s.Send(event("x")) == nil {
	}
	for _, call := range []string{"OnAuth", "OnConnect", "OnEvent", "OnDisconnect", "Validate", "OnQueueFull"} {
		if !calls[call] {
			t.Errorf("%s was not called", call)
		}
	}
}
