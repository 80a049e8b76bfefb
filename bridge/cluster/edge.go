package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"chatbridge/internal/retry"
)

const (
	// beatTimeout is how long an edge waits for a beat before it connects anew: a
	// connection that works can lead to a server that nobody writes to any more.
	beatTimeout = 3 * time.Second
	// readWait is how long one read waits at Redis.
	readWait = 500 * time.Millisecond
	// versionPause is the pause after something that another version wrote.
	versionPause = 5 * time.Second
)

// Follower receives what an Edge reads: the log and the clients of a bridge. It is called from
// the goroutine of Run.
type Follower interface {
	// Apply takes a record, in order, each once. It must not be kept.
	Apply(r *Record)
	// Gap receives a loss.
	Gap(g Gap)
	// Rejoin tells that something between what was applied and what comes next is
	// missing: clients that have received what was applied need it. joined is false where
	// the log was never whole, so that it never had clients.
	Rejoin(joined bool)
	// Restart tells that what was applied belongs to another history.
	Restart(r Restart)
}

// EdgeOptions configure an Edge.
type EdgeOptions struct {
	Dial     Dial
	Follower Follower
	// Keep, MaxItems and MaxBytes are those of LeaderOptions: what the Follower is given is
	// kept for a Leader that this bridge may become.
	Keep               time.Duration
	MaxItems, MaxBytes int
	// Unheard says more about why no leader is heard, nil for that nothing is known. It may
	// itself be nil.
	Unheard func() error
	Logger  *slog.Logger
}

// Edge feeds a Follower from the stream. Stats may be called from any goroutine.
type Edge struct {
	opts EdgeOptions

	// What follows belongs to the goroutine of Run.

	// cover is up to where the Follower has everything, zero for nothing; after is the last
	// entry that was read.
	epoch        Epoch
	cover, after ID
	// hole is the newest entry before which something was missing.
	hole     ID
	beatName string
	beatAt   time.Time // when the last beat came
	// beat is what the newest beat of the history says, nil for nothing; live tells that
	// it came since the Edge has connected, so that it is of a leader that lives.
	beat *Beat
	live bool
	// gaps are the gaps of the last beat.
	gaps map[Gap]bool
	// backlog is what the Follower has, as far as it is kept: all after its floor up to
	// cover, where that is not zero.
	backlog backlog
	// given is the last that the Follower was given, which may be after what a bridge has in
	// its backlog that led for a moment. What is after it and comes although cover is later
	// is new: a beat has said more than was true, or the database was put back to between
	// the two.
	given ID
	// places are those that beats told of and that are after cover, the oldest first.
	places []Place

	mu    sync.Mutex
	stats EdgeStats
	// remedies are those that were logged since a leader was heard.
	remedies remedies
}

// NewEdge returns an empty Edge. Run must be called.
func NewEdge(opts EdgeOptions) *Edge {
	return &Edge{opts: opts, gaps: make(map[Gap]bool), backlog: backlog{maxItems: opts.MaxItems, maxBytes: opts.MaxBytes}}
}

// Resume lets the Edge go on from a place of a history up to which the Follower has
// everything, before Run. from is what it has of that, nil for what the Edge has.
func (e *Edge) Resume(epoch Epoch, cover ID, from *backlog) {
	if e.epoch.IsZero() || !epoch.Continues(e.epoch) {
		e.cover = ID{}
		e.forget(cover)
		if from != nil {
			e.given = ID{}
		}
	}
	if from != nil {
		e.backlog = *from
		e.given = later(e.given, from.newest())
	}
	e.epoch, e.cover = epoch, later(e.cover, cover)
	e.after = e.backlog.newest()
	e.count(func(s *EdgeStats) { s.Epoch, s.Cover = epoch, e.cover })
}

// begin notes that the Follower has everything after an ID, from now on.
func (e *Edge) begin(after ID) {
	e.cover, e.given = after, after
	e.backlog.reset(after)
	e.count(func(s *EdgeStats) { s.From = after })
}

// forget notes that what the Follower was given up to an ID is of no use any more.
func (e *Edge) forget(until ID) {
	e.backlog.reset(until)
	e.given, e.places = until, nil
	e.count(func(s *EdgeStats) { s.Place = nil })
}

// Place returns the history, and up to where the Follower has everything. Run must not
// run.
func (e *Edge) Place() (Epoch, ID) { return e.epoch, e.cover }

// Run follows the stream until ctx ends, and returns nil. It connects again by itself.
func (e *Edge) Run(ctx context.Context) error {
	pause := retry.Backoff{Min: redialMin, Max: redialMax}
	defer e.disconnected(nil)
	for ctx.Err() == nil {
		err := e.connect(ctx, &pause)
		if ctx.Err() != nil {
			return nil
		}
		e.failed(ctx, err)
		wait := pause.Next()
		if version := (*VersionError)(nil); errors.As(err, &version) {
			wait = versionPause
		}
		if retry.Sleep(ctx, wait) != nil {
			return nil
		}
	}
	return nil
}

// connect is one life of a connection to Redis.
func (e *Edge) connect(ctx context.Context, pause *retry.Backoff) error {
	store, err := e.opts.Dial(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	// A read that waits does not see the end of ctx, and a bridge that is to lead waits for
	// this one.
	defer context.AfterFunc(ctx, func() { _ = store.Close() })()
	if err := e.firstBeat(ctx, store); err != nil {
		return err
	}
	for e.beatAt = time.Now(); ; {
		reply, err := e.read(ctx, store)
		switch {
		case err != nil:
			return err
		case len(reply.Entries) > 0 || reply.Beat.Text != nil:
			pause.Reset()
		case time.Since(e.beatAt) >= beatTimeout:
			return e.noLeader()
		}
		if err := e.take(ctx, &reply); err != nil {
			return err
		}
	}
}

// noLeader is why no leader is heard of.
func (e *Edge) noLeader() error {
	if e.opts.Unheard != nil {
		if err := e.opts.Unheard(); err != nil {
			return err
		}
	}
	return errNoLeader
}

// firstBeat reads the history from the beat in Redis. That beat does not show that the leader
// is alive.
func (e *Edge) firstBeat(ctx context.Context, store Store) error {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	raw, err := store.LastBeat(ctx)
	if err != nil {
		return err
	}
	e.beatName = raw.Name
	e.count(func(s *EdgeStats) { s.Answered = time.Now() })
	if raw.Text == nil {
		return nil
	}
	b, err := decodeBeat(&raw)
	if err != nil {
		return err
	}
	if e.epoch.IsZero() || b.Epoch.newer(e.epoch) {
		e.enter(ctx, b)
	}
	if b.Epoch == e.epoch {
		e.beat, e.live = b, false
		e.takePlace(b)
		e.takeGaps(b)
	}
	return nil
}

func (e *Edge) read(ctx context.Context, store Store) (Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, readWait+opTimeout)
	defer cancel()
	reply, err := store.Read(ctx, e.epoch, e.after, e.beatName, readWait)
	if err == nil {
		e.count(func(s *EdgeStats) { s.Answered = time.Now() })
	}
	return reply, err
}

// take applies a reply: what the beat says first is for what follows, then the
// entries, then how far they go.
func (e *Edge) take(ctx context.Context, r *Reply) error {
	if r.Beat.Text != nil {
		b, err := decodeBeat(&r.Beat)
		if err != nil {
			return err
		}
		e.beatName = r.Beat.Name
		other := b.Epoch != e.epoch
		if !other && b.Stuck >= beatTimeout {
			return errStuck(b)
		}
		if !other || e.accepts(b.Epoch) {
			if other {
				e.enter(ctx, b)
			}
			e.hear(b)
			e.takeGaps(b)
		}
		if other {
			return nil // the entries are another stream's
		}
	}
	for _, data := range r.Entries {
		entry, err := DecodeEntry(data)
		if err != nil && e.beat != nil { // whose beats can be read does not write such entries
			return &remedied{
				fmt.Sprintf("the stream in Redis has an entry that no bridge of this cluster wrote (%v)", err),
				"wait: the leader " + e.beat.Leader + " begins the stream anew, or its log says why it cannot",
			}
		}
		if err != nil {
			return err
		}
		if !e.takeEntry(ctx, entry) {
			return nil
		}
	}
	e.applyBeat(ctx)
	return nil
}

// accepts reports whether to follow a leader of another history: one that certainly replaces
// ours, or any after ours has timed out.
func (e *Edge) accepts(epoch Epoch) bool {
	return e.epoch.IsZero() || epoch.newer(e.epoch) || time.Since(e.beatAt) >= beatTimeout
}

// enter begins to follow the history of a beat.
func (e *Edge) enter(ctx context.Context, b *Beat) {
	before := e.epoch
	e.epoch, e.beat = b.Epoch, nil
	e.count(func(s *EdgeStats) { s.Epoch = b.Epoch })
	if before.IsZero() || e.epoch.Continues(before) {
		e.after = e.backlog.newest()
		return
	}
	e.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "the database has another history now; what was kept for catching up is dropped",
		slog.String("before", before.String()), slog.String("now", e.epoch.String()))
	r := Restart{Until: time.Now().UTC()}
	if b.Restart != nil {
		r = *b.Restart
	}
	e.cover, e.after, e.hole = ID{}, ID{}, ID{}
	e.forget(ID{})
	e.count(func(s *EdgeStats) { s.Joined = false; s.Restarts++ })
	e.opts.Follower.Restart(r)
}

func (e *Edge) takeGaps(b *Beat) {
	now := make(map[Gap]bool, len(b.Gaps))
	for _, g := range b.Gaps {
		now[g] = true
		if !e.gaps[g] {
			e.count(func(s *EdgeStats) { s.Gaps++ })
			e.opts.Follower.Gap(g)
		}
	}
	e.gaps = now
}

// takeEntry applies what an entry has that is new. It reports false where something
// is missing before it; then the stream is read from its beginning.
func (e *Edge) takeEntry(ctx context.Context, entry *Entry) bool {
	if entry.Epoch != e.epoch {
		return true // the keys differ, so this was written by hand
	}
	if e.cover.IsZero() {
		e.begin(entry.Prev)
	}
	if entry.Prev.After(e.cover) {
		again := !entry.ID.After(e.hole)
		e.hole = later(e.hole, entry.ID)
		e.rejoin(ctx, entry.Prev)
		if !again {
			return false
		}
		// It was read from the beginning: the stream itself lacks something.
		e.begin(entry.Prev)
	}
	applied, size, now := 0, 0, time.Now()
	delivered := Delivered{Epoch: e.epoch}
	for i := range entry.Records {
		r := &entry.Records[i]
		if !r.ID.After(e.backlog.newest()) {
			continue
		}
		e.keep(r, now)
		if !r.ID.After(e.given) {
			continue
		}
		e.given = r.ID
		e.opts.Follower.Apply(r)
		applied++
		size += len(r.Text)
		delivered.record(r)
	}
	e.cover = later(e.cover, entry.ID)
	e.after = later(e.after, entry.ID)
	e.count(func(s *EdgeStats) {
		s.Entries++
		s.Records += uint64(applied)
		s.Bytes += uint64(size)
		s.Cover = e.cover
		s.delivered(delivered)
	})
	return true
}

// keep keeps a record for the Leader that this bridge may become.
func (e *Edge) keep(r *Record, now time.Time) {
	i := item{id: r.ID, at: now, head: r.head()}
	if len(r.Text) > 0 { // an empty one would keep the whole entry in memory
		i.text = r.Text
	}
	e.backlog.add(i)
}

// rejoin begins anew: what comes next is not what follows cover.
func (e *Edge) rejoin(ctx context.Context, next ID) {
	e.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "Redis does not hold what this bridge has to read next; it begins anew with what there is",
		slog.String("has", e.cover.String()), slog.String("next", next.String()), slog.String("remedy", remedyLost))
	e.cover, e.after, e.beat = ID{}, ID{}, nil
	e.forget(ID{})
	joined := false
	e.count(func(s *EdgeStats) { joined, s.Joined = s.Joined, false; s.Rejoins++ })
	e.opts.Follower.Rejoin(joined)
}

// hear notes that the leader is alive.
func (e *Edge) hear(b *Beat) {
	e.beatAt, e.beat, e.live = time.Now(), b, true
	e.takePlace(b)
	e.backlog.expire(e.beatAt.Add(-e.opts.Keep), e.cover)
	e.count(func(s *EdgeStats) {
		if !s.Connected {
			s.Connected, s.Since, s.Error, s.Remedy, e.remedies = true, e.beatAt, "", "", nil
		}
		s.Heard, s.Beat = e.beatAt, b
	})
}

// takePlace notes where the leader's source is. While the Follower lacks what is before
// that, it is kept for later, with the newest of those that come meanwhile.
func (e *Edge) takePlace(b *Beat) {
	if b.Place == nil {
		return
	}
	if len(e.places) > 1 {
		e.places = e.places[:1]
	}
	e.places = append(e.places, *b.Place)
}

// reachPlaces notes the newest place before which the Follower has everything.
func (e *Edge) reachPlaces() {
	for len(e.places) > 0 && !startOf(e.places[0].Through).After(e.cover) {
		p := e.places[0]
		e.places = e.places[1:]
		e.count(func(s *EdgeStats) {
			if s.Place == nil || p.Through >= s.Place.Through {
				s.Place = &p
			}
		})
	}
}

// applyBeat applies the newest beat's Tail and Through, which stay valid when later entries
// come.
func (e *Edge) applyBeat(ctx context.Context) {
	b := e.beat
	if b == nil {
		return
	}
	behind := b.Tail.After(e.cover)
	switch {
	case behind: // what is missing comes with the next read
	case e.cover.IsZero(): // the stream is empty, and nothing came after Base
		if e.begin(b.Base); b.Base.IsZero() {
			e.begin(startOf(b.Through))
		}
		e.cover = later(e.cover, startOf(b.Through))
	case b.Base.After(e.cover):
		e.rejoin(ctx, b.Base)
		return
	default:
		e.cover = later(e.cover, startOf(b.Through))
	}
	e.reachPlaces()
	e.count(func(s *EdgeStats) {
		switch {
		case !behind:
			s.BehindSince = time.Time{}
		case !s.Behind:
			s.BehindSince = e.beatAt
		}
		s.Cover, s.Behind = e.cover, behind
		s.Joined = s.Joined || e.live && !behind
	})
}
