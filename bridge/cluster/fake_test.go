package cluster_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sort"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chatbridge/bridge/cluster"
)

// fakeRedis is a Redis that can lose the end of what it acknowledged, or all of it, be
// away, asleep or slow, and lose answers.
type fakeRedis struct {
	mu      sync.Mutex
	now     redisState
	history []redisState // after each change, for losing its end
	changed chan struct{}
	// away: connections fail. slow: each step takes as long at most. unsure: of a
	// hundred steps so many happen and fail. asleep: no step is answered; those that
	// nobody waits for any more happen when it wakes.
	away, asleep bool
	slow         time.Duration
	unsure       int
	// late are the steps that happen when it wakes.
	late []func()
	// lives counts how often it has lost something: that ends all connections.
	lives int
	// full: it takes no entries.
	full bool
}

// fakeConn is a connection to it. rng is of the one who uses it, so that what happens to
// one does not depend on which of several steps of the same moment comes first.
type fakeConn struct {
	*fakeRedis
	rng  *rand.Rand
	life int
}

// redisState is all that is in it. The entries of a stream are only appended to or
// replaced, so that an earlier state shares them with the later ones.
type redisState struct {
	streams []fakeStream
	beat    []byte
	beats   int // the beat's name; it goes back when the end is lost
	of      cluster.Epoch
	tail    cluster.ID
	through uint64
	values  map[string]string // of other keys; replaced, never changed
}

type fakeStream struct {
	epoch   cluster.Epoch
	entries []fakeEntry
}

type fakeEntry struct {
	id   cluster.ID
	data []byte
}

var errAway = errors.New("connection refused")

func newFakeRedis() *fakeRedis { return &fakeRedis{changed: make(chan struct{})} }

// stream returns that of an epoch, an empty one where there is none.
func (s *redisState) stream(epoch cluster.Epoch) []fakeEntry {
	for i := range s.streams {
		if s.streams[i].epoch == epoch {
			return s.streams[i].entries
		}
	}
	return nil
}

// put replaces the stream of an epoch.
func (s *redisState) put(epoch cluster.Epoch, entries []fakeEntry) {
	streams := make([]fakeStream, 0, len(s.streams)+1)
	for _, other := range s.streams {
		if other.epoch != epoch {
			streams = append(streams, other)
		}
	}
	if len(entries) > 0 {
		streams = append(streams, fakeStream{epoch, entries})
	}
	s.streams = streams
}

// historyLength bounds how much of its end the fake can lose.
const historyLength = 400

func (f *fakeRedis) change(change func(s *redisState)) {
	f.history = append(f.history, f.now)
	if len(f.history) > historyLength {
		f.history = f.history[1:]
	}
	change(&f.now)
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

// keepsAll: it does not lose what came until now.
func (f *fakeRedis) keepsAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.history = nil
}

// loseAll empties it.
func (f *fakeRedis) loseAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lives++
	f.now, f.history = redisState{}, nil
	f.signal()
}

// flush empties it as FLUSHALL does: connections stay.
func (f *fakeRedis) flush() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.change(func(s *redisState) { *s = redisState{beats: s.beats} })
}

// set changes how it behaves.
func (f *fakeRedis) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	f.signal()
}

func (f *fakeRedis) dial(rng *rand.Rand) (cluster.Store, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return nil, errAway
	}
	return &fakeConn{f, rng, f.lives}, nil
}

// wake ends its sleep: what was asked of it meanwhile happens first.
func (f *fakeRedis) wake() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asleep = false
	for _, step := range f.late {
		step()
	}
	f.late = nil
	f.signal()
}

// step waits as long as a step takes, and does it; mu is held afterwards.
func (f *fakeConn) step(ctx context.Context, do func()) error {
	f.mu.Lock()
	if wait := f.slow; wait > 0 {
		wait = time.Duration(f.rng.Int64N(int64(wait)))
		f.mu.Unlock()
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
		f.mu.Lock()
	}
	for f.asleep && !f.gone() && ctx.Err() == nil {
		f.await(ctx, nil)
	}
	switch {
	case f.gone():
		return errAway
	case ctx.Err() != nil:
		if f.asleep {
			f.late = append(f.late, func() {
				if !f.gone() {
					do()
				}
			})
		}
		return ctx.Err()
	}
	do()
	return nil
}

func (f *fakeConn) gone() bool { return f.away || f.life != f.lives }

// await waits for a change, and reports false where there was none in time. mu is held.
func (f *fakeConn) await(ctx context.Context, timeout <-chan time.Time) bool {
	changed := f.changed
	f.mu.Unlock()
	defer f.mu.Lock()
	select {
	case <-changed:
		return true
	case <-timeout:
	case <-ctx.Done():
	}
	return false
}

// errUnsure is that of a step that happened.
var errUnsure = errors.New("the connection broke before the answer came")

// answered loses some answers.
func (f *fakeConn) answered() error {
	if f.unsure > 0 && f.rng.IntN(100) < f.unsure {
		return errUnsure
	}
	return nil
}

func (f *fakeRedis) last(epoch cluster.Epoch) cluster.ID {
	if s := f.now.stream(epoch); len(s) > 0 {
		return s[len(s)-1].id
	}
	return cluster.ID{}
}

func (f *fakeConn) Append(ctx context.Context, epoch cluster.Epoch, last cluster.ID, a cluster.Append) (cluster.ID, error) {
	defer f.mu.Unlock()
	var at cluster.ID // no result: the step may happen after the return
	full := false
	if err := f.step(ctx, func() {
		if at = f.last(epoch); at != last {
			return
		}
		if full = f.full && a.Entry != nil; full {
			return
		}
		f.change(func(s *redisState) {
			entries := s.stream(epoch)
			if a.Replace {
				entries = nil
			}
			if a.Entry != nil {
				entries = append(entries, fakeEntry{a.ID, a.Entry})
			}
			s.put(epoch, forget(entries, a.Keep))
		})
		at = a.ID
	}); err != nil {
		return cluster.ID{}, err
	}
	if full {
		return cluster.ID{}, errors.New("OOM command not allowed when used memory > 'maxmemory'")
	}
	return at, f.answered()
}

func forget(entries []fakeEntry, keep cluster.ID) []fakeEntry {
	n := 0
	for n < len(entries) && keep.After(entries[n].id) {
		n++
	}
	return entries[n:]
}

func (f *fakeConn) Beat(ctx context.Context, epoch cluster.Epoch, last, keep cluster.ID, through uint64, beat []byte) (cluster.ID, uint64, error) {
	defer f.mu.Unlock()
	var at cluster.ID
	said := through
	if err := f.step(ctx, func() {
		if at = f.last(epoch); at != last {
			return
		}
		f.change(func(s *redisState) {
			s.put(epoch, forget(s.stream(epoch), keep))
			if s.of == epoch && !s.tail.After(last) {
				through = max(through, s.through)
			}
			said = through
			s.beat, s.beats, s.of, s.tail, s.through = beat, s.beats+1, epoch, last, through
		})
	}); err != nil {
		return cluster.ID{}, 0, err
	}
	return at, said, f.answered()
}

func (f *fakeConn) Evicts(context.Context) (string, uint64) { return "", 0 }

func (f *fakeConn) LastBeat(ctx context.Context) (cluster.RawBeat, error) {
	defer f.mu.Unlock()
	if err := f.step(ctx, func() {}); err != nil {
		return cluster.RawBeat{}, err
	}
	return f.rawBeat(), nil
}

func (f *fakeRedis) rawBeat() cluster.RawBeat {
	return cluster.RawBeat{Name: strconv.Itoa(f.now.beats), Text: f.now.beat, Through: f.now.through}
}

func (f *fakeConn) Read(ctx context.Context, epoch cluster.Epoch, after cluster.ID, beat string, wait time.Duration) (r cluster.Reply, err error) {
	defer f.mu.Unlock()
	if err := f.step(ctx, func() {}); err != nil {
		return r, err
	}
	since, _ := strconv.Atoi(beat)
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for {
		if !f.asleep {
			entries := f.now.stream(epoch)
			first := sort.Search(len(entries), func(i int) bool { return entries[i].id.After(after) })
			for _, e := range entries[first:min(first+3, len(entries))] {
				r.Entries = append(r.Entries, e.data)
			}
			if f.now.beats > since {
				r.Beat = f.rawBeat()
			}
		}
		if len(r.Entries) > 0 || r.Beat.Text != nil {
			return r, nil
		}
		due := timeout.C
		if f.asleep {
			due = nil
		}
		changed := f.await(ctx, due)
		switch {
		case f.gone():
			return r, errAway
		case ctx.Err() != nil:
			return r, ctx.Err()
		case !changed && !f.asleep:
			return r, nil
		}
	}
}

func (f *fakeConn) Remove(ctx context.Context, epoch cluster.Epoch) error {
	defer f.mu.Unlock()
	return f.step(ctx, func() { f.change(func(s *redisState) { s.put(epoch, nil) }) })
}

func (f *fakeConn) Close() error { return nil }

// withRedis runs f in a bubble, where time is the test's, with a Redis. What f has begun with
// ctx has ended when it returns.
func withRedis(t *testing.T, f func(ctx context.Context, t *testing.T, redis *fakeRedis)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer synctest.Wait()
		defer cancel()
		f(ctx, t, newFakeRedis())
	})
}
