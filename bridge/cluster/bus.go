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
	// helloEvery is the interval of hellos. A node that receives nothing for deafAfter, not
	// even its own, reconnects.
	helloEvery = time.Second
	deafAfter  = 4 * time.Second
	// outbound bounds the notices that wait to be sent.
	outbound = 256
	// Rates and bursts of notices: of a node, and of one workspace at a node. The same limits
	// hold for what is received from each other node.
	noticesPerSecond, noticesAtOnce                   = 500, 1000
	workspaceNoticesPerSecond, workspaceNoticesAtOnce = 50, 100
	// maxNoticeLimits bounds the workspaces that have a limiter.
	maxNoticeLimits = 10_000
)

// BusOptions configure a Bus.
type BusOptions struct {
	Shared *Shared
	// ID is the node's, see NewNodeID.
	ID string
	// Advertise returns the address at which other nodes reach this one, "" for none, and About
	// its description. Both may be nil.
	Advertise func() string
	About     func() About
	// Hear receives other nodes' notices. Again is called after notices may have been lost.
	// Both are called from Run's goroutine and must not block.
	Hear   func(n *Notice)
	Again  func()
	Logger *slog.Logger
}

// Bus broadcasts notices, which may be lost, to all nodes of the cluster over Redis PUB/SUB,
// and tracks which nodes are alive. Its methods are safe for concurrent use.
type Bus struct {
	opts    BusOptions
	channel string
	queue   chan *Notice
	// answer has a token when a node has appeared that does not know this one.
	answer chan struct{}

	mu            sync.Mutex
	limits        map[string]*rate.Limiter // by workspace, of what this node sends
	sendLimit     *rate.Limiter
	receiveLimits map[string]*rate.Limiter // by node
	peers         map[string]Peer          // including those of other databases
	// outdated are the nodes that use another format, by their id.
	outdated map[string]outdated
	stats    BusStats
	// publishErr is why the last notice could not be told, nil where it was.
	publishErr error

	dropped atomic.Uint64
}

// BusStats is a Bus' state at one moment. Counters are since it was made.
type BusStats struct {
	// Connected: the node receives its own hellos. Error says why not, and Remedy what to do.
	Connected     bool
	Error, Remedy string
	// Sent and Received count notices to and from others, Dropped those over a limit and those
	// that could not be read.
	Sent, Received, Dropped uint64
	// Peers is how many other nodes of the same database are alive.
	Peers int
}

// NewBus returns a Bus. Run must be called.
func NewBus(opts BusOptions) *Bus {
	return &Bus{
		opts: opts, channel: opts.Shared.prefix + "bus", queue: make(chan *Notice, outbound), answer: make(chan struct{}, 1),
		limits: make(map[string]*rate.Limiter), sendLimit: rate.NewLimiter(noticesPerSecond, noticesAtOnce),
		receiveLimits: make(map[string]*rate.Limiter), peers: make(map[string]Peer), outdated: make(map[string]outdated),
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

// Send sends a notice to all other nodes. It does not block: what exceeds a limit is dropped
// and counted.
func (b *Bus) Send(n Notice) {
	n.From, n.Of = b.opts.ID, b.opts.Shared.History()
	if len(n.Text)+len(n.Workspace)+len(n.Key)+len(n.User)+64 > maxNotice || !b.mayTell(&n, time.Now()) {
		b.dropped.Add(1)
		return
	}
	select {
	case b.queue <- &n:
	default:
		b.dropped.Add(1)
	}
}

// allowSend counts a notice against the limits, so that one workspace's clients do not crowd
// out the others'.
func (b *Bus) mayTell(n *Notice, now time.Time) bool {
	if n.Kind != Typing {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.limits[n.Workspace]
	if l == nil {
		if len(b.limits) >= maxNoticeLimits {
			clear(b.limits) // each gets a full burst again, once
		}
		l = rate.NewLimiter(workspaceNoticesPerSecond, workspaceNoticesAtOnce)
		b.limits[n.Workspace] = l
	}
	return l.AllowN(now, 1) && b.sendLimit.AllowN(now, 1)
}

// Run sends and receives until ctx ends, and returns nil. It reconnects by itself.
func (b *Bus) Run(ctx context.Context) error {
	var telling sync.WaitGroup
	telling.Go(func() { b.sendQueued(ctx) })
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

// sendQueued sends queued notices, and hellos.
func (b *Bus) sendQueued(ctx context.Context) {
	tick := time.NewTicker(helloEvery)
	defer tick.Stop()
	for {
		var n *Notice
		select {
		case <-ctx.Done():
			return
		case n = <-b.queue:
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
	b.publishErr = err
	b.mu.Unlock()
	if err != nil {
		if n.Kind != hello {
			b.dropped.Add(1)
		}
		return // deaf reports it
	}
	if n.Kind != hello {
		b.mu.Lock()
		b.stats.Sent++
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

// listen runs one subscription until it fails.
func (b *Bus) listen(ctx context.Context, c redis.UniversalClient, first bool, pause *retry.Backoff) error {
	sub := c.Subscribe(ctx, b.channel)
	defer sub.Close()
	defer context.AfterFunc(ctx, func() { _ = sub.Close() })() // it ignores ctx while it waits
	for received := time.Now(); ; {
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
			received = now
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
		if now.Sub(received) >= deafAfter {
			return b.deaf()
		}
	}
}

// deaf is the error of a node that does not receive its own hellos.
func (b *Bus) deaf() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.publishErr != nil {
		return fmt.Errorf("tell the other bridges: %w", b.publishErr)
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

// take handles a received message.
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
		b.stats.Received++
		b.mu.Unlock()
		if b.opts.Hear != nil {
			b.opts.Hear(&n)
		}
	}
}

// mayHear counts a notice against the limit of its sender, so that a node that ignores the
// limits costs the others nothing.
func (b *Bus) mayHear(n *Notice, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.receiveLimits[n.From]
	if l == nil {
		if _, known := b.peers[n.From]; !known && len(b.receiveLimits) >= maxPeers {
			return false
		}
		l = rate.NewLimiter(noticesPerSecond, noticesAtOnce)
		b.receiveLimits[n.From] = l
	}
	return l.AllowN(now, 1)
}

// Announce sends a hello at once.
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

// failed notes why nothing is received, and logs it once.
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
