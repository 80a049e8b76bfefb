package hub_test

import (
	"context"
	"slices"
	"sync"

	"chatbridge/bridge/hub"
	"chatbridge/socketio"
)

// rooms makes room handles for the fake namespace. A Room is a name alone until
// it is broadcast to, which only the fake one does.
var rooms = sync.OnceValue(func() *socketio.Namespace {
	s, err := socketio.New(socketio.DefaultOptions())
	if err != nil {
		panic(err)
	}
	return s.Namespace("/")
})

// fakeNamespace does what a socketio.Namespace does, for fakeSockets.
type fakeNamespace struct {
	mu      sync.Mutex
	members map[string][]*fakeSocket
	hub     *hub.Hub
}

func newFakeNamespace() *fakeNamespace {
	return &fakeNamespace{members: make(map[string][]*fakeSocket)}
}

func (n *fakeNamespace) Room(name string) *socketio.Room { return rooms().Room(name) }

func (n *fakeNamespace) BroadcastTo(p *socketio.Packet, to ...*socketio.Room) int {
	n.mu.Lock()
	had := make(map[*fakeSocket]bool)
	var full []*fakeSocket
	for _, r := range to {
		for _, s := range n.members[r.Name()] {
			if had[s] {
				continue
			}
			had[s] = true
			if !s.offer(p, true) {
				full = append(full, s)
			}
		}
	}
	n.mu.Unlock()
	for _, s := range full {
		s.full(p)
	}
	return len(had) - len(full)
}

// fakeSocket is a socketio.Socket with its outbound queue, from which a client
// takes at its own pace.
type fakeSocket struct {
	namespace  *fakeNamespace
	client     *hub.Client
	maxPackets int
	maxBytes   int

	mu     sync.Mutex
	queue  []*socketio.Packet
	size   int
	paused bool
	closed bool
	moved  chan struct{} // closed when the queue has changed, and made anew
}

func (n *fakeNamespace) socket(c *hub.Client, maxPackets, maxBytes int) *fakeSocket {
	return &fakeSocket{namespace: n, client: c, maxPackets: maxPackets, maxBytes: maxBytes, moved: make(chan struct{})}
}

func (s *fakeSocket) Join(room string) error {
	n := s.namespace
	n.mu.Lock()
	defer n.mu.Unlock()
	if !slices.Contains(n.members[room], s) {
		n.members[room] = append(n.members[room], s)
	}
	return nil
}

func (s *fakeSocket) Leave(room string) {
	n := s.namespace
	n.mu.Lock()
	defer n.mu.Unlock()
	n.members[room] = slices.DeleteFunc(n.members[room], func(m *fakeSocket) bool { return m == s })
}

func (s *fakeSocket) Pause(paused bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused = paused
}

// offer queues p; false means that there is no room for it.
func (s *fakeSocket) offer(p *socketio.Packet, broadcast bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed || broadcast && s.paused:
		return true
	case len(s.queue) >= s.maxPackets || len(s.queue) > 0 && s.size+p.Size() > s.maxBytes:
		return false
	}
	s.queue = append(s.queue, p)
	s.size += p.Size()
	s.changed()
	return true
}

func (s *fakeSocket) changed() {
	close(s.moved)
	s.moved = make(chan struct{})
}

// full asks the Hub what to do; a client that it does not deal with is closed.
func (s *fakeSocket) full(p *socketio.Packet) {
	if !s.namespace.hub.QueueFull(s.client, p) {
		s.close()
	}
}

func (s *fakeSocket) SendPaced(ctx context.Context, p *socketio.Packet) error {
	for {
		s.mu.Lock()
		moved := s.moved
		fits := len(s.queue) <= s.maxPackets/4 && s.size <= s.maxBytes/4 && (len(s.queue) == 0 || s.size+p.Size() <= s.maxBytes)
		closed := s.closed
		s.mu.Unlock()
		switch {
		case closed:
			return socketio.ErrClosed
		case fits && s.offer(p, false):
			return nil
		case fits:
			s.full(p)
			return socketio.ErrQueueFull
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take takes up to n packets, and reports whether the socket is open.
func (s *fakeSocket) take(n int) ([]*socketio.Packet, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, false
	}
	n = min(n, len(s.queue))
	taken := slices.Clone(s.queue[:n])
	s.queue = slices.Delete(s.queue, 0, n)
	for _, p := range taken {
		s.size -= p.Size()
	}
	if n > 0 {
		s.changed()
	}
	return taken, true
}

// waiting returns a channel that is closed when the queue changes, and whether
// the queue is empty.
func (s *fakeSocket) waiting() (<-chan struct{}, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.moved, len(s.queue) == 0
}

// close ends the connection: what is queued is lost.
func (s *fakeSocket) close() {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		s.changed()
	}
	s.mu.Unlock()
	n := s.namespace
	n.mu.Lock()
	defer n.mu.Unlock()
	for room := range n.members {
		n.members[room] = slices.DeleteFunc(n.members[room], func(m *fakeSocket) bool { return m == s })
	}
}

var hubMark = socketio.NewEvent("/", "mark")
