package socketio

import (
	"context"
	"iter"
	"time"

	"chatbridge/internal/lockstats"
	"chatbridge/socketio/engineio"
	"chatbridge/socketio/parser"
)

// Namespace is one of a server's namespaces. Set its callbacks before the first
// request; the rest may be called from any goroutine.
type Namespace struct {
	server *Server
	name   string

	onAuth       func(ctx context.Context, h *Handshake) (any, error)
	onConnect    func(s *Socket)
	onDisconnect func(s *Socket, reason Reason)
	onEvent      func(s *Socket, e *Event)

	mu      lockstats.Mutex
	sockets map[string]*Socket // by id
	byPID   map[string]*Socket // nil without recovery
	all     room
	rooms   map[string]*room
	epoch   uint64 // counts the broadcasts to several rooms
}

func newNamespace(s *Server, name string) *Namespace {
	n := &Namespace{
		server:  s,
		name:    name,
		sockets: make(map[string]*Socket),
		rooms:   make(map[string]*room),
	}
	if s.opts.Recovery.Enabled {
		n.byPID = make(map[string]*Socket)
	}
	return n
}

// Name returns the name, with its leading slash.
func (n *Namespace) Name() string { return n.name }

// OnAuth sets the hook that accepts or refuses each CONNECT. The returned data becomes
// [Socket.Data]. An error refuses: a *[ConnectError] for good, [ErrRetry] or any other
// for now. The hook runs on a goroutine of its own; ctx is cancelled when the
// connection is closed, and so with the connect time-out.
func (n *Namespace) OnAuth(hook func(ctx context.Context, h *Handshake) (data any, err error)) {
	n.onAuth = hook
}

// OnConnect sets the callback for a socket that is connected. The CONNECT packet is
// queued already, so what the callback emits comes after it; no event of the
// client is handled before it returns.
func (n *Namespace) OnConnect(f func(s *Socket)) { n.onConnect = f }

// OnDisconnect sets the callback for a socket that is disconnected. It is in no room
// any more.
func (n *Namespace) OnDisconnect(f func(s *Socket, reason Reason)) { n.onDisconnect = f }

// OnEvent sets the callback for all events of the clients.
func (n *Namespace) OnEvent(f func(s *Socket, e *Event)) { n.onEvent = f }

// Sockets iterates over a snapshot of the connected sockets.
func (n *Namespace) Sockets() iter.Seq[*Socket] {
	n.mu.Lock()
	sockets := make([]*Socket, len(n.all.members))
	for i, m := range n.all.members {
		sockets[i] = m.socket
	}
	n.mu.Unlock()
	return func(yield func(*Socket) bool) {
		for _, s := range sockets {
			if !yield(s) {
				return
			}
		}
	}
}

// Len returns the number of connected sockets.
func (n *Namespace) Len() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.all.members)
}

// add adds a socket and queues its CONNECT packet; saved, unless nil, is the
// session to restore. A broadcast is sent to the socket if it comes after add.
func (n *Namespace) add(s *Socket, saved *savedSession) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if saved != nil {
		s.recovered, s.id, s.pid = true, saved.sid, saved.pid
	} else {
		s.id = engineio.NewID()
		if n.server.sessions != nil {
			s.pid = newPID(time.Now())
			if tag := n.server.opts.Recovery.Tag; tag != nil {
				if t := tag(s.data); t != "" {
					s.pid += "." + t
				}
			}
		}
	}
	n.sockets[s.id] = s
	if n.byPID != nil {
		n.byPID[s.pid] = s
	}
	s.index = n.all.add(s)
	n.server.counters.sockets.Add(1)
	s.session.Send(connectMessage(n.name, s.id, s.pid))
}

// withPID returns the connected socket of a private id, or nil.
func (n *Namespace) withPID(pid string) *Socket {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.byPID[pid]
}

// connectMessage is the server's CONNECT packet. Ids need no escape.
func connectMessage(namespace, sid, pid string) *engineio.Message {
	data := `{"sid":"` + sid + `"}`
	if pid != "" {
		data = `{"sid":"` + sid + `","pid":"` + pid + `"}`
	}
	return engineio.NewMessage(parser.Append(nil,
		parser.Packet{Type: parser.Connect, Namespace: namespace, Data: []byte(data)}))
}

// remove removes a socket, and saves its session if it may be restored.
func (n *Namespace) remove(s *Socket, reason Reason) {
	n.mu.Lock()
	s.disconnected.Store(true)
	for len(s.rooms) > 0 {
		n.leaveAt(s, len(s.rooms)-1)
	}
	if moved := n.all.remove(s.index); moved != nil {
		moved.index = s.index
	}
	delete(n.sockets, s.id)
	delete(n.byPID, s.pid)
	n.server.counters.sockets.Add(-1)
	if s.done != nil {
		close(s.done)
	}
	n.mu.Unlock()
	if n.server.sessions != nil && recoverable(reason) {
		n.server.sessions.save(&savedSession{namespace: n.name, sid: s.id, pid: s.pid, data: s.data})
	}
}
