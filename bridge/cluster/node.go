package cluster

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// NodeOptions configure a Node.
type NodeOptions struct {
	Dial     Dial
	Follower Follower
	// Name is this bridge's host and process, shown while it leads.
	Name string
	// Keep, MaxItems, MaxBytes and Source are those of LeaderOptions.
	Keep               time.Duration
	MaxItems, MaxBytes int
	Source             func() SourceState
	// Database is that of LeaderOptions.
	Database func(ctx context.Context) (Database, error)
	// OnFollow is called before the edge begins to feed the Follower, OnLead after it has
	// stopped. Both may be nil.
	OnFollow, OnLead func()
	// OnFull: see LeaderOptions.
	OnFull func()
	// Unheard is that of EdgeOptions.
	Unheard func() error
	Logger  *slog.Logger
}

// Node is one bridge of a cluster: an edge, or the leader while its source reads the
// database. Lead and Follow are for the goroutine of the source; all else may be called
// from any.
type Node struct {
	opts    NodeOptions
	changes chan change
	ended   chan struct{} // closed when Run has returned

	// edge is that of the Node's whole life. Its goroutine, or else Run's, uses it.
	edge *Edge
	// leader is nil while the Node is an edge.
	leader atomic.Pointer[Leader]
	// asked is the history that Delivered got from Redis, for Place.
	asked atomic.Pointer[askedHistory]
	// stop ends what the present role runs, and returns when it has. Only Run uses it.
	stop func()
}

// Start is where the source of a new leader begins.
type Start struct {
	System   uint64
	Database uint32
	Timeline uint32
	// From: all that was committed from there on comes. Confirmed: nothing was confirmed
	// to the database from there on.
	From, Confirmed uint64
	// Resumed is the history of the place at which the source goes on, as Place told, nil
	// where it does not.
	Resumed *Epoch
	// Fresh is false where the source goes on where it was.
	Fresh bool
}

type change struct {
	apply func(ctx context.Context)
	done  chan struct{}
}

// NewNode returns a Node. Run must be called.
func NewNode(opts NodeOptions) *Node {
	return &Node{
		opts: opts, changes: make(chan change), ended: make(chan struct{}),
		edge: NewEdge(EdgeOptions{
			Dial: opts.Dial, Follower: opts.Follower, Keep: opts.Keep, MaxItems: opts.MaxItems, MaxBytes: opts.MaxBytes,
			Unheard: opts.Unheard, Logger: opts.Logger,
		}),
	}
}

// Run runs the Node, as an edge at first, until ctx ends, and returns nil when all has
// ended that it started.
func (n *Node) Run(ctx context.Context) error {
	defer close(n.ended)
	n.follow(ctx)
	defer func() { n.stop() }()
	for {
		var overtaken chan struct{}
		if l := n.leader.Load(); l != nil {
			overtaken = l.overtaken
		}
		select {
		case <-ctx.Done():
			return nil
		case c := <-n.changes:
			c.apply(ctx)
			close(c.done)
		case <-overtaken:
			if n.opts.Source().Streaming {
				continue // it has the slot again
			}
			n.opts.Logger.Warn("another bridge leads the cluster; this one follows until it can read the database again")
			n.follow(ctx)
		}
	}
}

// start runs f in a goroutine, which stop ends.
func (n *Node) start(ctx context.Context, f func(context.Context) error) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { _ = f(ctx) }) // they return nil
	n.stop = func() { cancel(); running.Wait() }
}

// follow makes the Node an edge that goes on where the leader that it was ended.
func (n *Node) follow(ctx context.Context) {
	if l := n.leader.Load(); l != nil {
		n.stop()
		epoch, given := l.Epoch()
		n.edge.Resume(epoch, given, l.takeBacklog())
		n.edge.count(func(s *EdgeStats) { s.delivered(l.lastDelivered()) })
		for _, g := range l.recentGaps() {
			n.edge.gaps[g] = true
		}
		n.leader.Store(nil)
	}
	if n.opts.OnFollow != nil {
		n.opts.OnFollow()
	}
	n.start(ctx, n.edge.Run)
}

// errOutdated: the place at which the source resumed is not valid any more.
var errOutdated = errors.New("what this bridge was given has begun anew since its source asked where to go on")

// lead makes the Node the leader. With an error it stays the edge that it is.
func (n *Node) lead(ctx context.Context, s Start) error {
	if l := n.leader.Load(); l != nil && !s.Fresh {
		l.Continue(s.Timeline)
		return nil
	}
	n.stop()
	if l := n.leader.Load(); l != nil { // its source begins anew without another having led
		epoch, given := l.Epoch()
		n.edge.Resume(epoch, given, l.takeBacklog())
	}
	epoch, cover := n.edge.Place()
	var records *backlog
	if s.Resumed != nil {
		if epoch != *s.Resumed || startOf(s.From).After(cover) || n.edge.Stats().From.After(startOf(s.Confirmed)) {
			n.start(ctx, n.edge.Run)
			return errOutdated
		}
		records = &n.edge.backlog
	}
	history := History{s.System, s.Database}
	from, other := startOf(s.From), epoch.History() != history
	if other {
		epoch = epochOf(history)
	}
	if other || cover.IsZero() || from.After(cover) {
		// Before the Follower drops what it has: a caller of Complete in between must not
		// resume with what the new leader lacks.
		n.edge.count(func(e *EdgeStats) { e.From = from })
		switch {
		case cover.IsZero(): // it has nothing
		case other:
			n.edge.Resume(epoch, ID{}, nil)
			n.opts.Follower.Restart(Restart{Until: time.Now().UTC()})
		default:
			// Something between may have been published, and is not read any more.
			joined := n.edge.Stats().Joined
			n.edge.count(func(s *EdgeStats) { s.Joined = false; s.Rejoins++ })
			n.opts.Follower.Rejoin(joined)
		}
		cover = ID{}
	}
	epoch.Timeline = s.Timeline
	var given seen
	if !cover.IsZero() {
		given = seenOf(&n.edge.backlog)
	}
	l := NewLeader(LeaderOptions{
		Dial: n.opts.Dial, Name: n.opts.Name, Epoch: epoch, From: s.From, Through: s.Confirmed, backlog: records,
		seen: given, disown: n.disown,
		Keep: n.opts.Keep, MaxItems: n.opts.MaxItems, MaxBytes: n.opts.MaxBytes,
		Source: n.opts.Source, OnFull: n.opts.OnFull, Database: n.opts.Database, Logger: n.opts.Logger,
	})
	n.leader.Store(l)
	if n.opts.OnLead != nil {
		n.opts.OnLead()
	}
	n.start(ctx, l.Run)
	return nil
}

// disown drops what the Follower has up to an ID, with that.
func (n *Node) disown(after ID) {
	n.edge.count(func(s *EdgeStats) { s.From = after; s.Restarts++ })
	n.opts.Follower.Restart(Restart{Until: time.Now().UTC()})
}

// Lead makes the Node the leader, and returns after the edge has stopped feeding the Follower.
// The error is ctx's, or errOutdated.
func (n *Node) Lead(ctx context.Context, s Start) error {
	var failed error
	if err := n.change(ctx, func(running context.Context) { failed = n.lead(running, s) }); err != nil {
		return err
	}
	return failed
}

// Place returns where the source of this Node may go on when it is to lead, and in which
// history: all before is in its log, and what it has of that goes as far back as what
// follows confirmed. ok is false where something of that is not certain, as where Redis
// does not answer or has another history: then the source has to read all that is not
// confirmed.
func (n *Node) Place(ctx context.Context, confirmed uint64) (at Place, epoch Epoch, ok bool) {
	e := n.edge.Stats()
	if n.leader.Load() != nil || e.Place == nil || e.From.After(startOf(confirmed)) {
		return Place{}, Epoch{}, false
	}
	if n.historyInRedis(ctx) != e.Epoch {
		return Place{}, Epoch{}, false
	}
	return *e.Place, e.Epoch, true
}

// placeTimeout bounds the question to Redis of which history it has.
const placeTimeout = 500 * time.Millisecond

// Follow makes the Node an edge, and returns when it is one: nil, or the error of ctx.
func (n *Node) Follow(ctx context.Context) error {
	return n.change(ctx, func(running context.Context) {
		if n.leader.Load() != nil {
			n.follow(running)
		}
	})
}

func (n *Node) change(ctx context.Context, apply func(context.Context)) error {
	c := change{apply, make(chan struct{})}
	select {
	case n.changes <- c:
		<-c.done
		return nil
	case <-n.ended:
		return context.Canceled
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Leader returns the Leader that the Node is, nil for an edge.
func (n *Node) Leader() *Leader { return n.leader.Load() }

// Complete returns the history, and after which of its IDs the Follower has been given
// everything until now; ok is false where something may be missing.
func (n *Node) Complete() (epoch Epoch, from ID, ok bool) {
	e := n.edge.Stats()
	if l := n.leader.Load(); l != nil {
		epoch, _ := l.Epoch()
		return epoch, e.From, true
	}
	return e.Epoch, e.From, e.Joined
}

// EdgeStats reports the state of the edge, which is out of date while the Node leads.
func (n *Node) EdgeStats() EdgeStats { return n.edge.Stats() }
