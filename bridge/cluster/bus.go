package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/time/rate"

	"chatbridge/internal/retry"
)

const (
	// helloEvery is how often a node says that it lives, and deafAfter how long it may
	// hear nothing, not even itself, before it connects anew.
	helloEvery = time.Second
	deafAfter  = 4 * time.Second
	// outbound bounds the notices that wait to be told.
	outbound = 256
	// A node tells so many notices a second, and so many at once: all its workspaces, and
	// one of them. As many of each other node it takes.
	noticesPerSecond, noticesAtOnce                   = 500, 1000
	workspaceNoticesPerSecond, workspaceNoticesAtOnce = 50, 100
	// maxNoticeLimits bounds the workspaces whose rate is remembered.
	maxNoticeLimits = 10_000
)

// BusOptions configure a Bus.
type BusOptions struct {
	Shared *Shared
	// ID is the node's, see NewNodeID.
	ID string
	// Advertise returns the address at which other nodes reach this one, "" for none, and
	// About what it says of itself; nil for neither.
	Advertise func() string
	About     func() About
	// Hear takes what other nodes tell. Again is called after notices may have been
	// lost. Both from the goroutine of Run, and must not wait.
	Hear   func(n *Notice)
	Again  func()
	Logger *slog.Logger
}

// Bus tells all nodes of the cluster at once, over Redis' PUB/SUB: what may be lost. It
// knows which nodes live. Its methods are safe for concurrent use.
type Bus struct {
	opts    BusOptions
	channel string
	out     chan *Notice
	// answer has a token when a node has come that does not know this one.
	answer chan struct{}

	mu     sync.Mutex
	limits map[string]*rate.Limiter // by workspace, what this node tells
	told   *rate.Limiter
	heard  map[string]*rate.Limiter // by node
	peers  map[string]Peer          // also of other databases
	// outdated are those that speak another format, by their id.
	outdated map[string]outdated
	stats    BusStats
	// untold is why the last notice could not be told, nil where it was.
	untold error

	dropped atomic.Uint64
}

// BusStats is a Bus' state at one moment. Counters are since it was made.
type BusStats struct {
	// Connected: the node hears itself. Error says why not, and Remedy what to do.
	Connected     bool
	Error, Remedy string
	// Told and Heard are the notices that went out and came in from others, Dropped those
	// that were too many, or none.
	Told, Heard, Dropped uint64
	// Peers is how many other nodes of the same database live.
	Peers int
}

// NewBus returns a Bus. Run must be called.
func NewBus(opts BusOptions) *Bus {
	return &Bus{
		opts: opts, channel: opts.Shared.prefix + "bus", out: make(chan *Notice, outbound), answer: make(chan struct{}, 1),
		limits: make(map[string]*rate.Limiter), told: rate.NewLimiter(noticesPerSecond, noticesAtOnce),
		heard: make(map[string]*rate.Limiter), peers: make(map[string]Peer), outdated: make(map[string]outdated),
	}
}

// Stats reports the Bus' state.
func (b *Bus) Stats() BusStats {
	same := len(b.Others().Same)
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.stats
	s.Dropped = b.dropped.Load()
	s.Peers = same
	return s
}

// Tell tells all other nodes. It does not wait: what is too much is dropped and counted.
func (b *Bus) Tell(n Notice) {
	n.From, n.Of = b.opts.ID, b.opts.Shared.History()
	if len(n.Text)+len(n.Workspace)+len(n.Key)+len(n.User)+64 > maxNotice || !b.mayTell(&n, time.Now()) {
		b.dropped.Add(1)
		return
	}
	select {
	case b.out <- &n:
	default:
		b.dropped.Add(1)
	}
}

// mayTell counts a notice against the limits: one workspace's clients do not keep the
// others' from being heard.
func (b *Bus) mayTell(n *Notice, now time.Time) bool {
	if n.Kind != Typing {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.limits[n.Workspace]
	if l == nil {
		if len(b.limits) >= maxNoticeLimits {
			clear(b.limits) // each may tell as much as a new one, once
		}
		l = rate.NewLimiter(workspaceNoticesPerSecond, workspaceNoticesAtOnce)
		b.limits[n.Workspace] = l
	}
	return l.AllowN(now, 1) && b.told.AllowN(now, 1)
}

// Run tells and hears until ctx ends, and returns nil. It connects again by itself.
func (b *Bus) Run(ctx context.Context) error {
	var telling sync.WaitGroup
	telling.Go(func() { b.tell(ctx) })
	defer telling.Wait()
	pause := retry.Backoff{Min: redialMin, Max: redialMax}
	for first := true; ctx.Err() == nil; first = false {
		c, err := b.opts.Shared.client(ctx)
		if err == nil {
			err = b.listen(ctx, c, first, &pause)
		}
		if ctx.Err() != nil {
			break
		}
		b.failed(ctx, err)
		b.opts.Shared.renew(c)
		if retry.Sleep(ctx, pause.Next()) != nil {
			break
		}
	}
	return nil
}

// tell sends what is to be told, and that the node lives.
func (b *Bus) tell(ctx context.Context) {
	tick := time.NewTicker(helloEvery)
	defer tick.Stop()
	for {
		var n *Notice
		select {
		case <-ctx.Done():
			return
		case n = <-b.out:
		case <-tick.C:
			n = b.hello()
		case <-b.answer:
			n = b.hello()
		}
		if c, err := b.opts.Shared.client(ctx); err == nil {
			b.publish(ctx, c, n)
		}
	}
}

func (b *Bus) publish(ctx context.Context, c redis.UniversalClient, n *Notice) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	err := c.Publish(ctx, b.channel, n.encode()).Err()
	b.mu.Lock()
	b.untold = err
	b.mu.Unlock()
	if err != nil {
		if n.Kind != hello {
			b.dropped.Add(1)
		}
		return // that the node hears nothing tells of it
	}
	if n.Kind != hello {
		b.mu.Lock()
		b.stats.Told++
		b.mu.Unlock()
	}
}

func (b *Bus) hello() *Notice {
	n := &Notice{Kind: hello, From: b.opts.ID, Of: b.opts.Shared.History()}
	if b.opts.About != nil {
		a := b.opts.About()
		n.Text = a.encode()
	}
	if b.opts.Advertise != nil {
		n.Key = b.opts.Advertise()
	}
	return n
}

// listen is one life of a subscription.
func (b *Bus) listen(ctx context.Context, c redis.UniversalClient, first bool, pause *retry.Backoff) error {
	sub := c.Subscribe(ctx, b.channel)
	defer sub.Close()
	defer context.AfterFunc(ctx, func() { _ = sub.Close() })() // it does not look at ctx while it waits
	for heard := time.Now(); ; {
		m, err := sub.ReceiveTimeout(ctx, readWait)
		now := time.Now()
		if ctx.Err() != nil {
			return nil
		}
		if isTimeout(err) {
			err = nil
		}
		if err != nil {
			return fmt.Errorf("hear the other bridges: %w", b.opts.Shared.at.explain(err, asked{command: "subscribe", channels: []string{b.channel}}))
		}
		if message, ok := m.(*redis.Message); ok {
			heard = now
			b.take(ctx, []byte(message.Payload), now)
		} else if _, ok := m.(*redis.Subscription); ok {
			b.connected()
			pause.Reset()
			if !first && b.opts.Again != nil {
				b.opts.Again()
			}
			b.answerNow()
		}
		b.forgetPeers(now)
		if now.Sub(heard) >= deafAfter {
			return b.deaf()
		}
	}
}

// deaf is the error of a node that does not hear itself.
func (b *Bus) deaf() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.untold != nil {
		return fmt.Errorf("tell the other bridges: %w", b.untold)
	}
	return &remedied{
		fmt.Sprintf("hear the other bridges: what this one tells has not come back for %s", deafAfter),
		"see that Redis is not stalled (redis-cli --latency, SLOWLOG GET), and that this bridge reaches the same server for all connections: no proxy that spreads them",
	}
}

func isTimeout(err error) bool {
	t, ok := err.(interface{ Timeout() bool })
	return ok && t.Timeout()
}

// take deals with what came.
func (b *Bus) take(ctx context.Context, data []byte, now time.Time) {
	n, err := decodeNotice(data)
	version := (*VersionError)(nil)
	switch {
	case errors.As(err, &version):
		b.dropped.Add(1)
		b.meetOutdated(data, version.Version, now)
	case err != nil:
		b.dropped.Add(1)
	case n.From == b.opts.ID:
	case n.Kind == hello:
		b.meet(&n, now)
	case n.Kind == asks:
		b.answerNow()
	case n.Of.IsZero() || n.Of != b.opts.Shared.History(): // another cluster's
	case !b.mayHear(&n, now):
		b.dropped.Add(1)
		if n.Kind != Typing && b.opts.Again != nil {
			b.opts.Again()
		}
	default:
		b.mu.Lock()
		b.stats.Heard++
		b.mu.Unlock()
		if b.opts.Hear != nil {
			b.opts.Hear(&n)
		}
	}
}

// mayHear counts a notice against what one node may tell: one that does not keep to the
// limits costs the others nothing.
func (b *Bus) mayHear(n *Notice, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.heard[n.From]
	if l == nil {
		if _, known := b.peers[n.From]; !known && len(b.heard) >= maxPeers {
			return false
		}
		l = rate.NewLimiter(noticesPerSecond, noticesAtOnce)
		b.heard[n.From] = l
	}
	return l.AllowN(now, 1)
}

// Announce tells the others at once what this node says of itself.
func (b *Bus) Announce() { b.answerNow() }

func (b *Bus) answerNow() {
	select {
	case b.answer <- struct{}{}:
	default:
	}
}

func (b *Bus) connected() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Connected, b.stats.Error, b.stats.Remedy = true, "", ""
}

// failed notes why nothing is heard, and logs it once.
func (b *Bus) failed(ctx context.Context, err error) {
	b.mu.Lock()
	fresh := b.stats.Connected || b.stats.Error == ""
	b.stats.Connected, b.stats.Error, b.stats.Remedy = false, err.Error(), Remedy(err)
	b.mu.Unlock()
	if fresh {
		b.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "the cluster's other bridges cannot be heard; typing notices of their clients do not come here meanwhile",
			slog.String("error", err.Error()), slog.String("remedy", Remedy(err)))
	}
}
