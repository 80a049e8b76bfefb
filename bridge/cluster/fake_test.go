package cluster_test

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"chatbridge/bridge/cluster"
)

// fakeRedis is a Redis that can lose the end of what it acknowledged, or all of it, be
// away, be slow, and lose answers.
type fakeRedis struct {
	mu      sync.Mutex
	rng     *rand.Rand
	now     redisState
	history []redisState // after each change, for losing its end
	changed chan struct{}
	// away: connections fail. slow: each step takes as long at most. unsure: of a
	// hundred steps so many happen and fail.
	away   bool
	slow   time.Duration
	unsure int
	// lives counts how often it has lost something: that ends all connections.
	lives int
	// full: it takes no entries.
	full bool
}

// fakeConn is a connection to it.
type fakeConn struct {
	*fakeRedis
	life int
}

// redisState is all that is in it. The slices are only appended to or replaced.
type redisState struct {
	streams map[cluster.Epoch][]fakeEntry
	beat    []byte
	beats   int // the beat's name; it goes back when the end is lost
	of      cluster.Epoch
	tail    cluster.ID
	through uint64
}

type fakeEntry struct {
	id   cluster.ID
	data []byte
}

var errAway = errors.New("connection refused")

func newFakeRedis(rng *rand.Rand) *fakeRedis {
	return &fakeRedis{rng: rng, now: redisState{streams: map[cluster.Epoch][]fakeEntry{}}, changed: make(chan struct{})}
}

// historyLength bounds how much of its end the fake can lose.
const historyLength = 400

func (f *fakeRedis) change(change func(s *redisState)) {
	f.history = append(f.history, f.now)
	if len(f.history) > historyLength {
		f.history = f.history[1:]
	}
	next := f.now
	next.streams = maps.Clone(f.now.streams)
	change(&next)
	f.now = next
	f.signal()
}

func (f *fakeRedis) signal() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// loseTail takes back the last changes.
func (f *fakeRedis) loseTail(changes int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lives++
	if n := min(changes, len(f.history)); n > 0 {
		f.now = f.history[len(f.history)-n]
		f.history = f.history[:len(f.history)-n]
	}
	f.signal()
}

// loseAll empties it.
func (f *fakeRedis) loseAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lives++
	f.now, f.history = redisState{streams: map[cluster.Epoch][]fakeEntry{}}, nil
	f.signal()
}

// set changes how it behaves.
func (f *fakeRedis) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	f.signal()
}

func (f *fakeRedis) dial(context.Context) (cluster.Store, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return nil, errAway
	}
	return &fakeConn{f, f.lives}, nil
}

// step waits as long as a step takes; mu is held afterwards.
func (f *fakeConn) step(ctx context.Context) error {
	f.mu.Lock()
	wait := f.slow
	if wait > 0 {
		wait = time.Duration(f.rng.Int64N(int64(wait)))
	}
	f.mu.Unlock()
	select {
	case <-time.After(wait):
	case <-ctx.Done():
	}
	f.mu.Lock()
	if f.away || f.life != f.lives {
		return errAway
	}
	return ctx.Err()
}

// answer loses some.
func (f *fakeRedis) answer(id cluster.ID) (cluster.ID, error) {
	if f.rng.IntN(100) < f.unsure {
		return cluster.ID{}, errors.New("the connection broke before the answer came")
	}
	return id, nil
}

func (f *fakeRedis) last(epoch cluster.Epoch) cluster.ID {
	if s := f.now.streams[epoch]; len(s) > 0 {
		return s[len(s)-1].id
	}
	return cluster.ID{}
}

func (f *fakeConn) Append(ctx context.Context, epoch cluster.Epoch, last cluster.ID, a cluster.Append) (cluster.ID, error) {
	defer f.mu.Unlock()
	if err := f.step(ctx); err != nil {
		return cluster.ID{}, err
	}
	if at := f.last(epoch); at != last {
		return at, nil
	}
	if f.full && a.Entry != nil {
		return cluster.ID{}, errors.New("OOM command not allowed when used memory > 'maxmemory'")
	}
	f.change(func(s *redisState) {
		entries := s.streams[epoch]
		if a.Replace {
			entries = nil
		}
		if a.Entry != nil {
			entries = append(slices.Clone(entries), fakeEntry{a.ID, a.Entry})
		}
		s.streams[epoch] = forget(entries, a.Keep)
	})
	return f.answer(a.ID)
}

func forget(entries []fakeEntry, keep cluster.ID) []fakeEntry {
	n := 0
	for n < len(entries) && keep.After(entries[n].id) {
		n++
	}
	return entries[n:]
}

func (f *fakeConn) Beat(ctx context.Context, epoch cluster.Epoch, last, keep cluster.ID, through uint64, beat []byte) (cluster.ID, error) {
	defer f.mu.Unlock()
	if err := f.step(ctx); err != nil {
		return cluster.ID{}, err
	}
	if at := f.last(epoch); at != last {
		return at, nil
	}
	f.change(func(s *redisState) {
		s.streams[epoch] = forget(s.streams[epoch], keep)
		if s.of == epoch && !s.tail.After(last) {
			through = max(through, s.through)
		}
		s.beat, s.beats, s.of, s.tail, s.through = beat, s.beats+1, epoch, last, through
	})
	return f.answer(last)
}

func (f *fakeConn) LastBeat(ctx context.Context) (cluster.RawBeat, error) {
	defer f.mu.Unlock()
	if err := f.step(ctx); err != nil {
		return cluster.RawBeat{}, err
	}
	return f.rawBeat(), nil
}

func (f *fakeRedis) rawBeat() cluster.RawBeat {
	return cluster.RawBeat{Name: strconv.Itoa(f.now.beats), Text: f.now.beat, Through: f.now.through}
}

func (f *fakeConn) Read(ctx context.Context, epoch cluster.Epoch, after cluster.ID, beat string, wait time.Duration) (r cluster.Reply, err error) {
	defer f.mu.Unlock()
	if err := f.step(ctx); err != nil {
		return r, err
	}
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for {
		for _, e := range f.now.streams[epoch] {
			if e.id.After(after) && len(r.Entries) < 3 {
				r.Entries = append(r.Entries, e.data)
			}
		}
		if since, _ := strconv.Atoi(beat); f.now.beats > since {
			r.Beat = f.rawBeat()
		}
		if len(r.Entries) > 0 || r.Beat.Text != nil {
			return r, nil
		}
		changed := f.changed
		f.mu.Unlock()
		over := false
		select {
		case <-changed:
		case <-timeout.C:
			over = true
		case <-ctx.Done():
		}
		f.mu.Lock()
		if f.away || f.life != f.lives {
			return r, errAway
		}
		if over || ctx.Err() != nil {
			return r, ctx.Err()
		}
	}
}

func (f *fakeConn) Remove(ctx context.Context, epoch cluster.Epoch) error {
	defer f.mu.Unlock()
	if err := f.step(ctx); err != nil {
		return err
	}
	f.change(func(s *redisState) { delete(s.streams, epoch) })
	return nil
}

func (f *fakeConn) Close() error { return nil }
