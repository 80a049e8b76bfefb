package cluster

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"chatbridge/internal/retry"
	"chatbridge/source"
)

const (
	// entrySize is about how many bytes of records go into one entry, so that what Redis
	// keeps of it fits into the 64 KiB that its allocator has a size for; the next is
	// 80. Nothing waits for an entry to become full: what comes while one is being
	// appended is the next.
	entrySize = 64<<10 - 512
	// opTimeout bounds one step at Redis: longer than a server takes to write its
	// memory to disk, shorter than what edges wait for.
	opTimeout = 2 * time.Second
	// endTimeout bounds appending what is left at the end.
	endTimeout = time.Second
	// redialMin and redialMax bound the pauses between attempts to connect to Redis.
	redialMin = 50 * time.Millisecond
	redialMax = 500 * time.Millisecond
	// edgesReturn is how long after Redis was back nothing is forgotten: until the edges
	// have read on.
	edgesReturn = 5 * time.Second
	// gapsFor is how long a gap is told to edges, and maxGaps how many are.
	gapsFor = 10 * time.Minute
	maxGaps = 16
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
	Logger   *slog.Logger
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
	// seen is what of LeaderOptions.seen the source has not reached yet. Its goroutine alone
	// uses it.
	seen seen
	// asked is when the database was asked last. Run's goroutine alone uses it.
	asked time.Time
	// noBeat is the name of what was found in place of a beat. Run's goroutine alone uses it.
	noBeat string
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
	restarts uint32
	restart  *Restart
	untold   bool
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

// Begin tells in which transaction what follows is.
func (l *Leader) Begin(commit uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.place = startOf(commit)
}

// Publish gives the Leader an event. Its text is kept, the rest is copied. One that it
// was given before is dropped.
func (l *Leader) Publish(at source.Position, r Record, now time.Time) {
	r.Kind, r.ID = Published, EventID(at)
	if l.seen.lacks(r.ID) {
		l.disown(r.ID)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.place = r.ID
	l.add(&r, now)
}

// Tell gives the Leader a record that is no event, at the place of what it was given
// last.
func (l *Leader) Tell(r Record, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, ok := l.place.next()
	if !ok {
		return // a million of them before: the last said that others have changed
	}
	if _, more := at.next(); !more {
		r = Record{Kind: MembersChanged}
	}
	r.ID, l.place = at, at
	l.add(&r, now)
}

// add adds a record. l.mu is held.
func (l *Leader) add(r *Record, now time.Time) {
	if !r.ID.After(l.backlog.newest()) {
		return
	}
	l.given = r.ID
	l.delivered.record(r)
	evicted := l.backlog.add(item{id: r.ID, at: now, head: r.head(), text: r.Text})
	l.stats.Evicted += uint64(evicted)
	l.wakeUp()
}

func (l *Leader) wakeUp() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Gap gives the Leader what nobody will be given.
func (l *Leader) Gap(g Gap) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gaps, l.newGaps = append(l.gaps, g), true
	if len(l.gaps) > maxGaps {
		l.gaps[1].Since, l.gaps = earliest(l.gaps[0].Since, l.gaps[1].Since), l.gaps[1:]
	}
	l.wakeUp()
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// Restart begins another history.
func (l *Leader) Restart(r Restart) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.restarts++
	l.restart, l.untold = &r, true
	l.former = append(l.former, l.epoch)
	l.epoch.Count++
	l.backlog.reset(ID{})
	l.place, l.given, l.delivered = ID{}, ID{}, Delivered{}
	l.beginAt(ID{}, ID{})
	l.trusted, l.top, l.believed = ID{}, ID{}, 0
	l.gaps, l.newGaps, l.through = nil, true, 0
	l.wakeUp()
}

// Continue tells that the source has connected again, to a server of that timeline,
// and goes on where it was.
func (l *Leader) Continue(timeline uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.epoch.Timeline == timeline {
		return
	}
	l.former = append(l.former, l.epoch)
	l.epoch.Timeline = timeline
	l.beginAt(ID{}, l.backlog.floor)
	l.trusted, l.top = ID{}, ID{}
	l.wakeUp()
}

// Held returns up to where Redis holds everything that the Leader was given, and says
// so: nothing from there on may be confirmed. A leader that is killed while Redis is
// away leaves the next one all that it needs.
func (l *Leader) Held() (commit uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.doubt != nil {
		return min(l.through, l.doubt.after.Commit)
	}
	if rest := l.backlog.after(l.cursor, 0); len(rest) > 0 {
		return min(l.through, rest[0].id.Commit)
	}
	return l.through
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

// appendNext appends the next entry, and reports whether there was one.
func (l *Leader) appendNext(ctx context.Context, store Store) (bool, error) {
	epoch, last, a, ok := l.nextAppend(time.Now())
	if !ok {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	answer, err := store.Append(ctx, epoch, last, a)
	if errors.Is(err, errIDTaken) {
		return l.idTaken(ctx, epoch, last, a.ID)
	}
	l.noteAppend(err)
	if err != nil {
		return false, err
	}
	if want := a.ID; answer != want {
		return true, l.refused(ctx, store, epoch, answer)
	}
	l.appended(epoch, &a)
	return true, nil
}

// noteAppend notes whether Redis takes entries.
func (l *Leader) noteAppend(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.appendFails = err != nil; !l.appendFails {
		l.appendedAt = time.Now()
	}
}

// stuck is Beat.Stuck. l.mu is held.
func (l *Leader) stuck(now time.Time) time.Duration {
	if d := l.doubt; d != nil && !d.possible && d.to.After(l.backlog.newest()) && now.Sub(d.since) >= beatTimeout {
		return now.Sub(d.since)
	}
	waiting := l.backlog.after(l.cursor, 0)
	if !l.appendFails && !now.Before(l.holdUntil) || len(waiting) == 0 {
		return 0
	}
	since := waiting[0].at
	if l.appendedAt.After(since) {
		since = l.appendedAt
	}
	return max(now.Sub(since), 0)
}

// nextAppend returns what to append to which stream, and what that must end with.
func (l *Leader) nextAppend(now time.Time) (epoch Epoch, last ID, a Append, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.doubt != nil || now.Before(l.holdUntil) {
		return Epoch{}, ID{}, Append{}, false
	}
	if floor := l.backlog.floor; floor.After(l.cursor) {
		// What the stream lacks is not in the backlog any more.
		l.beginAt(l.last, floor)
		l.replace = !l.last.IsZero()
	}
	items := l.backlog.after(l.cursor, entrySize)
	if len(items) == 0 && !l.replace {
		return Epoch{}, ID{}, Append{}, false
	}
	a = Append{Replace: l.replace, Keep: l.keep(now)}
	if len(items) > 0 {
		size := 128
		for i := range items {
			size += items[i].size()
		}
		a.ID = items[len(items)-1].id
		a.Entry = appendHeader(make([]byte, 0, size), l.epoch, l.prev, a.ID, len(items))
		for i := range items {
			a.Entry = append(append(a.Entry, items[i].head...), items[i].text...)
		}
	}
	return l.epoch, l.last, a, true
}

// keep is before which entries may be forgotten: never the last, and nothing that a
// leader before had appended while edges may still be reading it.
func (l *Leader) keep(now time.Time) ID {
	if now.Sub(l.began) < l.opts.Keep {
		return ID{}
	}
	if l.last.After(l.backlog.floor) {
		return l.backlog.floor
	}
	return l.last
}

// appended notes that an entry is in the stream.
func (l *Leader) appended(epoch Epoch, a *Append) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if epoch != l.epoch {
		return
	}
	if l.last.IsZero() || a.Replace {
		l.base = l.prev
	}
	l.last, l.replace = a.ID, false
	if a.Entry != nil {
		l.cursor, l.prev = a.ID, a.ID
		l.top = later(l.top, a.ID)
		l.stats.Entries++
		l.stats.Bytes += uint64(len(a.Entry))
	}
}

// lastDelivered returns the last transaction that it was given events of.
func (l *Leader) lastDelivered() Delivered {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.delivered
	d.Epoch = l.epoch
	return d
}

// kept returns the backlog, once Run has returned.
func (l *Leader) kept() *backlog {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.backlog
	return &b
}
