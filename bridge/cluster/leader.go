package cluster

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"chatbridge/internal/retry"
)

const (
	// endTimeout bounds appending what is left at the end.
	endTimeout = time.Second
	// redialMin and redialMax bound the pauses between attempts to connect to Redis.
	redialMin = 50 * time.Millisecond
	redialMax = 500 * time.Millisecond
)

// LeaderOptions configure a Leader.
type LeaderOptions struct {
	Dial Dial
	// Name says who leads: host and process.
	Name string
	// Epoch is the history; its Count is what is known of it and may be too low. From:
	// the Leader will be given all that was committed from there on.
	Epoch Epoch
	From  uint64
	// Through: Redis may lack what was committed from there on, even if it is before
	// From. Default From.
	Through uint64
	// backlog is what the bridge had been given as an edge; nil for nothing.
	backlog *backlog
	// seen is what it had been given as an edge, whether or not that is kept, and Disown
	// drops that: it has all after an ID from now on.
	seen   seen
	disown func(after ID)
	// Keep is how long records are kept at least, MaxItems and MaxBytes bound them.
	Keep               time.Duration
	MaxItems, MaxBytes int
	// Source reports how the source does, at any time.
	Source func() SourceState
	// Database asks the database. Nil: nothing that others wrote to Redis is removed.
	Database func(ctx context.Context) (Database, error)
	// OnFull is called when Redis refuses an entry because it is full. It must not block. Nil: nothing.
	OnFull func()
	Logger *slog.Logger
}

// SourceState is how far the source of a leader is.
type SourceState struct {
	// Through: all that was committed before it has been given to the Leader.
	Through uint64
	// Commit is when the last transaction of that was committed.
	Commit time.Time
	// Place is where another bridge's source may go on, nil where that is not certain.
	Place *Place
	// Streaming tells that it gives the Leader something, or may at any moment; Flowing
	// that changes arrive as they are committed, State and Reason why not.
	Streaming, Flowing bool
	State, Reason      string
}

// Leader appends the records that it is given to the stream. Its methods may be called
// from any goroutine, those that give it something from one at a time; none of these
// waits.
type Leader struct {
	opts LeaderOptions
	wake chan struct{}
	// seen is the part of LeaderOptions.seen that the source has not reached yet. The source's
	// goroutine alone uses it.
	seen seen
	// asked is when the database was asked last. Run's goroutine alone uses it.
	asked time.Time
	// invalidBeat is the name of what was found in place of a beat. Run's goroutine alone uses it.
	invalidBeat string
	// overtaken has a token when somebody else has appended what this Leader was not
	// given while its source gives it nothing: another one leads.
	overtaken chan struct{}

	mu      sync.Mutex
	epoch   Epoch
	backlog backlog
	// place is where the source is: the ID of what it gave last, which it may have given
	// before; given is the last that was new.
	place, given ID
	// delivered is the last transaction that it was given events of.
	delivered Delivered
	// last is what the Leader believes to be the stream's last entry, zero for none,
	// cursor up to where the stream holds all that there is, and prev what the next entry
	// names as the one before it. They differ where the stream ends before the backlog
	// begins. base: see Beat. replace: what is in the stream lacks something, and has to
	// go.
	last, cursor, prev, base ID
	replace                  bool
	// doubt is what the stream has up to last that is not known to be true, nil for nothing.
	// The Leader has read the stream up to trusted, and appended up to top.
	doubt        *doubt
	trusted, top ID
	// believed is the last Beat.Through of another leader that was found possible.
	believed uint64
	// losses counts those of Redis that followed each other, the last one at lostAt; nothing
	// is appended until holdUntil.
	losses            int
	explained         bool
	lostAt, holdUntil time.Time
	pause             retry.Backoff
	// restarts counts the histories that began since New, restart is the last one.
	// untold: no beat has told of the present one yet.
	restarts    uint32
	restart     *Restart
	unannounced bool
	// former are streams to be removed.
	former  []Epoch
	gaps    []Gap
	newGaps bool // that no beat has told yet
	// appendedAt is when Redis took the last entry; appendFails tells that it takes none.
	appendedAt  time.Time
	appendFails bool
	// through is the last Beat.Through that is in Redis.
	through uint64
	stats   LeaderStats
	// remedies are those that were logged since Redis worked.
	remedies remedies
	began    time.Time
}

// NewLeader returns a Leader. Run must be called.
func NewLeader(opts LeaderOptions) *Leader {
	l := &Leader{
		opts: opts, wake: make(chan struct{}, 1), overtaken: make(chan struct{}, 1), epoch: opts.Epoch, began: time.Now(),
		backlog: backlog{maxItems: opts.MaxItems, maxBytes: opts.MaxBytes, floor: startOf(opts.From)},
		pause:   retry.Backoff{Min: refillMin, Max: refillMax}, seen: opts.seen,
	}
	l.place, l.through = l.backlog.floor, cmp.Or(opts.Through, opts.From)
	if opts.backlog != nil {
		l.backlog = *opts.backlog
		l.given = l.backlog.newest()
		l.trusted = l.given // it was read from the stream
	}
	l.beginAt(ID{}, l.backlog.floor)
	return l
}

// beginAt notes that the stream ends with an entry, and that the next is to hold all
// after an ID. l.mu is held.
func (l *Leader) beginAt(last, after ID) {
	l.last, l.cursor, l.prev, l.base, l.replace = last, after, after, after, false
	l.doubt = nil
}

// Run appends until ctx ends, and then what is left. It returns nil.
func (l *Leader) Run(ctx context.Context) error {
	pause := retry.Backoff{Min: redialMin, Max: redialMax}
	for ctx.Err() == nil {
		err := l.connect(ctx, &pause)
		if ctx.Err() != nil {
			break
		}
		l.failed(ctx, err)
		if retry.Sleep(ctx, pause.Next()) != nil {
			break
		}
	}
	l.disconnected()
	return nil
}

// connect is one life of a connection to Redis.
func (l *Leader) connect(ctx context.Context, pause *retry.Backoff) error {
	store, err := l.opts.Dial(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	if err := l.learn(ctx, store); err != nil {
		return err
	}
	for beatAt := time.Now(); ; {
		if now := time.Now(); !now.Before(beatAt) || l.gapsToTell() {
			beatAt = now.Add(beatEvery)
			if err := l.beat(ctx, store, now); err != nil {
				return err
			}
			if l.connected(ctx) {
				pause.Reset()
			}
		}
		if more, err := l.settle(ctx, store); err != nil {
			return err
		} else if more {
			continue
		}
		if more, err := l.appendNext(ctx, store); err != nil {
			return err
		} else if more {
			continue
		}
		idle := time.NewTimer(time.Until(l.nextStep(beatAt)))
		select {
		case <-l.wake:
		case <-idle.C:
		case <-ctx.Done():
			idle.Stop()
			l.finish(ctx, store)
			return nil
		}
		idle.Stop()
	}
}

// nextStep is when there may be something to do again.
func (l *Leader) nextStep(beatAt time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holdUntil.Before(beatAt) && l.holdUntil.After(time.Now()) {
		return l.holdUntil
	}
	return beatAt
}

// finish appends what is left, and beats once more, so that the next leader has
// little to do.
func (l *Leader) finish(ctx context.Context, store Store) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	for {
		more, err := l.appendNext(ctx, store)
		if err != nil {
			return
		}
		if !more {
			break
		}
	}
	_ = l.beat(ctx, store, time.Now())
}

// lastDelivered returns the last transaction that it was given events of.
func (l *Leader) lastDelivered() Delivered {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.delivered
	d.Epoch = l.epoch
	return d
}

// takeBacklog returns the backlog, once Run has returned.
func (l *Leader) takeBacklog() *backlog {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.backlog
	return &b
}
