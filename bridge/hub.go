package bridge

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"chatbridge/bridge/replay"
	"chatbridge/mapping"
	"chatbridge/socketio"
	"chatbridge/source"
)

// HubOptions configures a Hub.
type HubOptions struct {
	Replay replay.Options
	// SubscribeGrace is how long a new client may take to make its first
	// subscription before it counts as one that has none and is sent the
	// messages of all conversations. The CRM subscribes in the handler of its
	// connect event, one round trip after the Hub first sees it.
	SubscribeGrace time.Duration
	// MaxSubscriptions bounds the conversations of one client.
	MaxSubscriptions int
	Logger           *slog.Logger
}

// DefaultHubOptions waits 300 ms for the first subscription and allows 1,000.
func DefaultHubOptions() HubOptions {
	return HubOptions{
		Replay: replay.DefaultOptions(), SubscribeGrace: 300 * time.Millisecond,
		MaxSubscriptions: 1000, Logger: slog.New(slog.DiscardHandler),
	}
}

// Hub publishes events to the clients that may see them, and catches up those
// that were not there. Its methods may be called from any goroutine, Publish
// from one at a time.
type Hub struct {
	opts      HubOptions
	namespace *socketio.Namespace

	// mu guards the log, all tenants and all clients, and is held while an
	// event is broadcast: a client that joins its rooms under it joins them
	// between two events.
	mu      sync.Mutex
	log     *replay.Log
	tenants map[string]*tenant
	// history counts the calls of Restart.
	history uint64
	// publishing is the sequence number, in its tenant's Space, from which a
	// client whose queue is full has to be fed from the log.
	publishing uint64
	// sending is the packet that is being broadcast, nil otherwise: it tells
	// a full queue met by a broadcast, under mu, from one met by an answer to
	// the client itself.
	sending atomic.Pointer[socketio.Packet]
	stats   HubStats

	// pumps counts the goroutines that feed clients from the log; running is
	// their context, ended by Run's return.
	pumps   sync.WaitGroup
	running context.Context
	stop    context.CancelFunc
}

// tenant is one workspace as far as it is known here.
type tenant struct {
	space   *replay.Space
	clients int            // connected now
	all     *socketio.Room // all its sockets
	open    *socketio.Room // those that are sent every message
	// rooms holds the sockets of each conversation that somebody subscribed.
	rooms map[string]*conversationRoom
}

type conversationRoom struct {
	room        *socketio.Room
	subscribers int
}

// HubStats counts what a Hub did since its start.
type HubStats struct {
	Published [mapping.Typing + 1]uint64
	// Repeated counts events that came again and were dropped.
	Repeated uint64
	// CatchUps counts readings of the log begun, by why.
	CatchUps [catchUpReasons]uint64
	// CaughtUp counts the packets that clients got from the log.
	CaughtUp uint64
	// FellBehind counts clients closed because the log no longer held what
	// they had yet to read.
	FellBehind uint64
	// Clients are connected; Feeds are those of them by which the gateway
	// feeds a client of ChatEngine's for a moment.
	Clients, Feeds int
	// Catching counts the clients being fed from the log now.
	Catching int
	Replay   replay.Stats
}

// NewHub returns a Hub that publishes to namespace. Run must be called.
func NewHub(namespace *socketio.Namespace, opts HubOptions) *Hub {
	h := &Hub{
		opts: opts, namespace: namespace,
		log: replay.New(opts.Replay), tenants: make(map[string]*tenant),
	}
	h.running, h.stop = context.WithCancel(context.Background())
	return h
}

// Run keeps the log within its window until ctx ends, then ends all catching
// up and returns nil.
func (h *Hub) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			// Under the lock: no pump starts once they are waited for.
			h.mu.Lock()
			h.stop()
			h.mu.Unlock()
			h.pumps.Wait()
			return nil
		case now := <-tick.C:
			h.mu.Lock()
			h.log.Expire(now)
			h.sweep()
			h.mu.Unlock()
		}
	}
}

// Stats returns the counters as of now.
func (h *Hub) Stats() HubStats {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.stats
	s.Replay = h.log.Stats(time.Now())
	return s
}

// Event is one event to be published.
type Event struct {
	Position source.Position
	Kind     mapping.Kind
	// Workspace, Conversation and Message (the message's id, for Kind
	// MessageStatus) are not kept.
	Workspace, Conversation, Message []byte
	Packet                           *socketio.Packet
}

// Publish records ev and sends it to the clients that may see it. It never
// waits for one of them. An event whose position is not past the newest one's
// is dropped and counted: it is of a transaction that the source had to begin
// again after its connection ended, and has been published before.
func (h *Hub) Publish(ev *Event, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if ev.Position.Compare(h.log.Head()) <= 0 {
		h.stats.Repeated++
		return
	}
	h.stats.Published[ev.Kind]++
	t := h.tenantOf(ev.Workspace)
	h.publishing = t.space.Sequence()
	if ev.Kind != mapping.Typing {
		h.log.Append(t.space, replay.Event{
			Position: ev.Position, Kind: ev.Kind, Conversation: ev.Conversation,
			Message: ev.Message, Packet: ev.Packet,
		}, now)
	}
	if t.clients == 0 {
		return
	}
	h.sending.Store(ev.Packet)
	defer h.sending.Store(nil)
	if ev.Kind != mapping.Message {
		h.namespace.BroadcastTo(ev.Packet, t.all)
	} else if r := t.rooms[string(ev.Conversation)]; r != nil {
		h.namespace.BroadcastTo(ev.Packet, t.open, r.room)
	} else {
		h.namespace.BroadcastTo(ev.Packet, t.open)
	}
}

// Restart begins another history, whose positions have nothing to do with
// those before: the database was restored or failed over. The log is emptied,
// sessions from before are not restored, and clients that read from the log
// connect anew.
func (h *Hub) Restart() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.log.Clear()
	h.history++
}

// Head returns the position of the newest event.
func (h *Hub) Head() source.Position {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.Head()
}

// Whisper sends a packet that is no change of the database, such as a typing
// notice from a client, to every client of the workspace that is live.
func (h *Hub) Whisper(workspace string, p *socketio.Packet) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t := h.tenants[workspace]; t != nil {
		h.publishing = t.space.Sequence()
		h.sending.Store(p)
		defer h.sending.Store(nil)
		h.namespace.BroadcastTo(p, t.all)
	}
}

// tenantOf returns the workspace's tenant, known or new. mu must be held.
func (h *Hub) tenantOf(workspace []byte) *tenant {
	t := h.tenants[string(workspace)]
	if t == nil {
		name := string(workspace)
		t = &tenant{
			space: h.log.Space(name), rooms: make(map[string]*conversationRoom),
			all: h.namespace.Room("w:" + name), open: h.namespace.Room("o:" + name),
		}
		h.tenants[name] = t
	}
	return t
}

// sweep forgets the tenants that have neither clients nor events.
func (h *Hub) sweep() {
	for name, t := range h.tenants {
		if t.clients == 0 && t.space.Empty() {
			delete(h.tenants, name)
			h.log.Release(t.space)
		}
	}
}
