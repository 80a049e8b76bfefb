package hub

import (
	"context"
	"hash/maphash"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"chatbridge/bridge/replay"
	"chatbridge/internal/lockstats"
	"chatbridge/internal/retry"
	"chatbridge/mapping/contract"
	"chatbridge/socketio"
	"chatbridge/source"
)

// Broadcaster is what a Hub broadcasts to: a *socketio.Namespace.
type Broadcaster interface {
	Room(name string) *socketio.Room
	BroadcastTo(p *socketio.Packet, rooms ...*socketio.Room) int
}

// Socket is a client's connection: a *socketio.Socket.
type Socket interface {
	Join(room string) error
	Leave(room string)
	// Pause has broadcasts skip the socket, or reach it again.
	Pause(paused bool)
	// SendPaced waits until the socket's queue has room for p, and queues it. It
	// returns socketio.ErrQueueFull if a broadcast took that room first.
	SendPaced(ctx context.Context, p *socketio.Packet) error
}

// Options configures a Hub.
type Options struct {
	Replay replay.Options
	// SubscribeGrace is how long a new client may take to make its first
	// subscription. After that it is sent the messages of all conversations. The
	// CRM subscribes in the handler of its connect event, one round trip after the
	// Hub first sees it.
	SubscribeGrace time.Duration
	// MaxSubscriptions bounds the conversations of one client.
	MaxSubscriptions int
	// SessionBytes bounds the memory for the subscriptions of all clients, including
	// those that left and may come back; see memory.go. 0 is no bound.
	SessionBytes int64
	// Far reads what clients missed and the log no longer holds, as far back as FarLimit
	// ago. With nil, clients are told of gaps instead.
	Far      Tables
	FarLimit time.Duration
	// Workspace bounds what one workspace may take.
	Workspace Shares
	// Logger gets a line a minute for each kind of loss, and each limit that a
	// workspace has reached; nil discards it.
	Logger *slog.Logger
}

// Shares bounds what one workspace may take, beside the bounds of replay.Options; 0
// is no bound.
type Shares struct {
	// Clients bounds its connected clients, Subscriptions the sum of theirs.
	Clients, Subscriptions int
	// CatchUp bounds what its clients together are sent from the log and the tables,
	// in bytes a second. What exceeds it waits.
	CatchUp int64
	// Pause bounds how long Publish may wait for its clients at once. In the long run
	// Publish waits for them a fifth of the time at most.
	Pause time.Duration
}

// DefaultOptions waits 300 ms for the first subscription, and allows 1,000
// subscriptions for a client and 256 MiB for those of all clients.
func DefaultOptions() Options {
	return Options{
		Replay: replay.DefaultOptions(), SubscribeGrace: 300 * time.Millisecond,
		MaxSubscriptions: 1000, SessionBytes: 256 << 20, Logger: slog.New(slog.DiscardHandler),
	}
}

// Hub publishes events to the clients that may see them, and catches up clients
// that were away. Its methods may be called from any goroutine, Publish from one
// at a time.
type Hub struct {
	opts      Options
	namespace Broadcaster

	// mu guards all fields down to farLoggedAt, and all clients. It is held while an
	// event is broadcast: a client that goes live under it does so between two events.
	mu      lockstats.Mutex
	turns   turns
	log     *replay.Log
	tenants map[string]*tenant
	// headCommit is when the newest event was committed.
	headCommit time.Time
	// headMoved is when the newest event was published; waits has those who wait for a
	// newer one.
	headMoved time.Time
	waits     headWaits
	// history counts the calls of Restart; began is when the present history began.
	history uint64
	began   time.Time
	// publishing is the place in the log from which a client has to be fed whose queue
	// the present broadcast finds full.
	publishing replay.Place
	// sending is the packet that is being broadcast, nil otherwise: it tells
	// a full queue met by a broadcast, under mu, from one met by an answer to
	// the client itself.
	sending atomic.Pointer[socketio.Packet]
	// losses has what clients that come back may have to be told of.
	losses losses
	pause  pause
	memory memory
	stats  Stats
	// loggedAt is when a gap was last logged, by its reason; toLog has the gaps to be
	// logged after the next sweep.
	loggedAt [gapReasonCount]time.Time
	toLog    []loss
	// limitLogged and limitsToLog are the same for limits.
	limitLogged [limitCount]time.Time
	limitsToLog []limitReached
	farLoggedAt time.Time // when a failure of Options.Far was last logged

	// pumps counts the goroutines that feed clients from the log; running is
	// their context, ended by Run's return.
	pumps   sync.WaitGroup
	running context.Context
	stop    context.CancelFunc
}

// New returns a Hub that publishes to namespace. Run must be called.
func New(namespace Broadcaster, opts Options) *Hub {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	h := &Hub{
		opts: opts, namespace: namespace,
		log: replay.New(opts.Replay), tenants: make(map[string]*tenant),
		pause: newPause(), turns: turns{seed: maphash.MakeSeed()},
	}
	h.running, h.stop = context.WithCancel(context.Background())
	return h
}

// Context returns a context that ends when Run does.
func (h *Hub) Context() context.Context { return h.running }

// Run keeps the log within its window until ctx ends, then ends all catching
// up and returns nil.
func (h *Hub) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			// Under the lock: no pump starts once they are waited for.
			h.lock()
			h.stop()
			h.unlock()
			h.pumps.Wait()
			h.logGaps()
			h.logLimits()
			return nil
		case <-tick.C:
			h.sweep(ctx)
			h.logGaps()
			h.logLimits()
		}
	}
}

// expireBatch bounds what is evicted from the log while the lock is held once.
const expireBatch = 256

// A sweep looks at each tenant, and where it has the only processor nothing that arrives
// is read meanwhile: so it pauses for sweepPause every sweepAtOnce tenants.
const (
	sweepAtOnce = 100
	sweepPause  = time.Millisecond
)

// sweep evicts what has left the window, and forgets the tenants that have
// neither clients nor events.
func (h *Hub) sweep(ctx context.Context) {
	h.lock()
	tenants := make([]*tenant, 0, len(h.tenants))
	for _, t := range h.tenants {
		tenants = append(tenants, t)
	}
	h.unlock()
	for some := range slices.Chunk(tenants, sweepAtOnce) {
		for _, t := range h.due(some) {
			for more := true; more; {
				more = h.sweepTenant(t)
			}
		}
		_ = retry.Sleep(ctx, sweepPause) // the rest is quick when Run is to end
	}
	h.lock()
	defer h.unlock()
	h.log.Swept(time.Now())
}

// due moves to the front of tenants, and returns, those that sweepTenant would change.
// Thousands of them have nothing to be swept in most rounds.
func (h *Hub) due(tenants []*tenant) []*tenant {
	h.lock()
	defer h.unlock()
	now, n := time.Now(), 0
	for _, t := range tenants {
		// The log first: it is to see each space in each round.
		if h.log.Due(t.space, now) || h.savedDue(t, now) || t.unused() {
			tenants[n] = t
			n++
		}
	}
	return tenants[:n]
}

// sweepTenant evicts some of what has left the window, and reports whether there may be
// more.
func (h *Hub) sweepTenant(t *tenant) (more bool) {
	h.lock()
	defer h.unlock()
	now := time.Now()
	more = h.log.Expire(t.space, now, t.firstUnread(), expireBatch)
	more = h.expireSaved(t, now) || more
	if t.unused() && h.tenants[t.space.Workspace] == t {
		delete(h.tenants, t.space.Workspace)
		h.log.Release(t.space)
	}
	return more
}

// Head returns the position of the newest event.
func (h *Hub) Head() source.Position {
	h.lock()
	defer h.unlock()
	return h.log.Head()
}

// HeadOffset returns the Offset of the newest event. Before the first event its time is
// that at which the present history, or else this Hub, began.
func (h *Hub) HeadOffset() Offset {
	h.lock()
	defer h.unlock()
	return h.headOffset()
}

func (h *Hub) headOffset() Offset {
	o := Offset{Position: h.log.Head(), Commit: h.headCommit}
	if o.Position.IsZero() {
		if o.Commit = h.began; h.began.IsZero() {
			o.Commit = h.log.TimeOf(0, time.Now())
		}
	}
	return o
}

// Event is one event to be published.
type Event struct {
	Position source.Position
	Kind     contract.Kind
	// Workspace, Conversation and Message (the message's id, for Kind
	// MessageStatus) are not kept.
	Workspace, Conversation, Message []byte
	// Packet has the event's Offset as its last argument (see AppendOffset), except
	// for Kind Typing.
	Packet *socketio.Packet
	// Commit is when its transaction was committed.
	Commit time.Time
	// Of is set on a status that is repeated with the message's other id as Message: it is
	// the message's own id. Kind MessageStatus only. It is not kept.
	Of []byte
	// Other is the id by which ChatEngine names a message, for the clients that had
	// messages from there; empty for none. Again tells that the message's row existed
	// before this event. Created is when the row was created, in microseconds since 1970.
	Other   []byte
	Again   bool
	Created int64
}
