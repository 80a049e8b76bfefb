package socketio_test

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"chatbridge/socketio"
	"chatbridge/socketio/engineio"
	"chatbridge/socketio/internal/rawclient"
)

func event(name string) *socketio.Packet { return socketio.NewEvent("/", name) }

func TestRooms(t *testing.T) {
	f := newFixture(t, nil)
	c1, s1, _ := f.connect("")
	c2, s2, _ := f.connect("")
	c3, _, _ := f.connect("")
	for _, room := range []string{"a", "b", "a"} {
		if err := s1.Join(room); err != nil {
			t.Fatal(err)
		}
	}
	_ = s2.Join("b")
	if diff := cmp.Diff([]string{"a", "b"}, s1.Rooms()); diff != "" {
		t.Error(diff)
	}
	room := f.ns.Room("b")
	if room.Name() != "b" || room.Len() != 2 || f.ns.Room("none").Len() != 0 {
		t.Errorf("room %s of %d", room.Name(), room.Len())
	}
	for _, test := range []struct {
		name  string
		rooms []string
		want  int
	}{
		{"one", []string{"a"}, 1},
		{"union", []string{"a", "b", "none"}, 2},
		{"nobody", []string{"none"}, 0},
		{"own", []string{s2.ID()}, 1},
		{"own and shared", []string{s2.ID(), "b"}, 2},
		{"shared and own", []string{"b", s1.ID(), s2.ID()}, 2},
		{"all", nil, 3},
	} {
		if n := f.ns.Broadcast(event(test.name), test.rooms...); n != test.want {
			t.Errorf("%s: sent to %d, want %d", test.name, n, test.want)
		}
	}
	if n := f.ns.BroadcastTo(event("handles"), f.ns.Room("a"), room, f.ns.Room(s1.ID())); n != 2 {
		t.Errorf("by handles: sent to %d", n)
	}
	if n := f.ns.BroadcastTo(event("no handle")); n != 0 {
		t.Errorf("without a handle: sent to %d", n)
	}
	if n := f.ns.Broadcast(socketio.NewEvent("/x", "wrong")); n != 0 {
		t.Errorf("packet of another namespace: sent to %d", n)
	}
	s1.Leave("b")
	s1.Leave("b")
	s2.Leave("b")
	if n := f.ns.BroadcastTo(event("empty"), room); n != 0 {
		t.Errorf("empty room: sent to %d", n)
	}
	_ = s1.Join("b") // the room is a new one, the handle the old one
	if n := f.ns.BroadcastTo(event("filled"), room); n != 1 {
		t.Errorf("filled room: sent to %d", n)
	}
	f.ns.Broadcast(event("end"))
	quoted := func(names ...string) []string {
		for i := range names {
			names[i] = `42["` + names[i] + `"]`
		}
		return names
	}
	c1.Want(quoted("one", "union", "own and shared", "shared and own", "all", "handles", "filled", "end")...)
	c2.Want(quoted("union", "own", "own and shared", "shared and own", "all", "handles", "end")...)
	c3.Want(quoted("all", "end")...)
	if got := slices.Collect(f.ns.Sockets()); len(got) != 3 || f.ns.Len() != 3 {
		t.Errorf("sockets %v", got)
	}
	if st := f.server.Stats(); st.Broadcasts != 12 || st.BroadcastTargets != 8+7+2 {
		t.Errorf("%d broadcasts to %d", st.Broadcasts, st.BroadcastTargets)
	}
}

func TestMaxRooms(t *testing.T) {
	f := newFixture(t, func(o *socketio.Options) { o.MaxRooms = 2 })
	_, s, _ := f.connect("")
	_, _ = s.Join("a"), s.Join("b")
	if err := s.Join("c"); !errors.Is(err, socketio.ErrTooManyRooms) {
		t.Errorf("third room: %v", err)
	}
	if err := errors.Join(s.Join("a"), s.Join(s.ID())); err != nil {
		t.Errorf("rooms it is in: %v", err)
	}
	if n := f.server.Stats().JoinsRefused; n != 1 {
		t.Errorf("%d refused", n)
	}
}

// While sockets come and go, join and leave, one that stays gets each packet once,
// in order, from the first after its Join.
func TestRoomsUnderChange(t *testing.T) {
	f := newFixture(t, nil)
	const events = 2000
	joined := make(chan struct{})
	f.ns.OnConnect(func(s *socketio.Socket) {
		_, _ = s.Join("room"), s.Join("other")
		s.Leave("other")
		if strings.Contains(string(s.Handshake().Auth), "stays") {
			close(joined)
		}
	})
	stop := make(chan struct{})
	var others sync.WaitGroup
	for range 4 {
		others.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				c := f.dial()
				c.Send("40")
				f.wantConnect(c)
				_ = c.Conn.Close()
			}
		})
	}
	defer others.Wait()
	defer close(stop)
	c := f.dial()
	c.Send(`40{"stays":true}`)
	f.wantConnect(c)
	<-joined
	others.Go(func() {
		for i := range events {
			f.ns.Broadcast(socketio.NewEvent("/", "e", []byte(strconv.Itoa(i))), "room", "other")
		}
	})
	for i := range events {
		c.Want(`42["e",` + strconv.Itoa(i) + `]`)
	}
}

// Random joins, leaves and ends, against a model of who is where.
func TestRoomsModel(t *testing.T) {
	f := newFixture(t, nil)
	random := rand.New(rand.NewPCG(1, 2)) // the same in each run
	names := []string{"a", "b", "c", "d"}
	model := map[*socketio.Socket]map[string]bool{}
	clients := map[*socketio.Socket]*rawclient.WS{}
	var sockets []*socketio.Socket
	for step := range 3000 {
		for len(sockets) < 8 {
			c, s, _ := f.connect("")
			sockets = append(sockets, s)
			model[s], clients[s] = map[string]bool{}, c
		}
		i := random.IntN(len(sockets))
		s, name := sockets[i], names[random.IntN(len(names))]
		switch op := random.IntN(100); {
		case op < 45:
			_ = s.Join(name)
			model[s][name] = true
		case op < 85:
			s.Leave(name)
			delete(model[s], name)
		case op < 87:
			clients[s].Send("41")
			<-s.Done()
			delete(model, s)
			sockets = slices.Delete(sockets, i, i+1)
		default:
			other := names[random.IntN(len(names))]
			want := 0
			for _, in := range model {
				if in[name] || in[other] {
					want++
				}
			}
			if got := f.ns.Broadcast(event("e"), name, other); got != want {
				t.Fatalf("step %d: sent to %d in %s and %s, want %d", step, got, name, other, want)
			}
		}
	}
	for s, in := range model {
		if diff := cmp.Diff(slices.Sorted(maps.Keys(in)), s.Rooms(), cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
	}
}

// When a queue is full the application may take over: the packet is left out and
// the socket lives on.
func TestOnQueueFull(t *testing.T) {
	var f *fixture
	var left []*socketio.Socket
	f = newFixture(t, func(o *socketio.Options) {
		o.QueuePackets = 8
		o.OnQueueFull = func(s *socketio.Socket, p *socketio.Packet) bool {
			if p.Size() == 0 {
				t.Error("an empty packet")
			}
			s.Leave("room") // no lock is held
			left = append(left, s)
			return true
		}
	})
	p := rawclient.OpenPolling(t, f.url)
	p.WantPost("40")
	slow := f.next()
	p.WantPost("3")
	good, s, _ := f.connect("")
	_, _ = slow.Join("room"), s.Join("room")
	for i := range 20 {
		f.ns.Broadcast(event(strconv.Itoa(i)), "room")
		good.Want(`42["` + strconv.Itoa(i) + `"]`)
	}
	if len(left) != 1 || left[0] != slow || f.ns.Len() != 2 {
		t.Fatalf("left %v of %d", left, f.ns.Len())
	}
	if err := slow.Send(event("x")); !errors.Is(err, socketio.ErrQueueFull) {
		t.Errorf("send: %v", err)
	}
	r := p.Poll()
	if want := 8; strings.Count(r.Body, "\x1e")+1 != want {
		t.Errorf("polled %q, want %d packets", r.Body, want)
	}
	if err := slow.SendPaced(t.Context(), event("again")); err != nil {
		t.Errorf("after the poll: %v", err)
	}
	p.Want(`42["again"]`)
}

func TestFullQueueCloses(t *testing.T) {
	f := newFixture(t, func(o *socketio.Options) { o.QueuePackets = 8 })
	p := rawclient.OpenPolling(t, f.url)
	p.WantPost("40")
	s := f.next()
	for s.Send(event("x")) == nil {
	}
	f.wantEnd(engineio.QueuePackets)
	p.WantGone()
}

func TestSendPaced(t *testing.T) {
	f := newFixture(t, func(o *socketio.Options) { o.QueuePackets = 16 })
	c, s, _ := f.connect("")
	sent := make(chan error, 1)
	go func() {
		for i := range 5000 {
			if err := s.SendPaced(t.Context(), event(strconv.Itoa(i))); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	for i := range 5000 {
		c.Want(`42["` + strconv.Itoa(i) + `"]`)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	_ = c.Conn.Close()
	f.wantEnd(engineio.TransportClose)
	if err := s.SendPaced(t.Context(), event("x")); !errors.Is(err, socketio.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
	p := rawclient.OpenPolling(t, f.url)
	p.WantPost("40")
	s = f.next()
	for range 10 {
		_ = s.Send(event("x"))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.SendPaced(ctx, event("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := s.SendPaced(ctx, socketio.NewEvent("/x", "x")); !errors.Is(err, socketio.ErrNamespace) {
		t.Errorf("packet of another namespace: %v", err)
	}
}
