package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"chatbridge/internal/retry"
)

// Version orders the copies of one session: a take-over increments its upper half, each change
// its lower half.
type Version uint64

// Owner is the upper half: it increases with each take-over.
func (v Version) Owner() uint32 { return uint32(v >> 32) }

// Taken is the version that a take-over gives it.
func (v Version) Taken() Version { return Version(v.Owner()+1) << 32 }

func (v Version) String() string { return fmt.Sprintf("%016x", uint64(v)) }

func parseVersion(text string) (Version, error) {
	v, err := strconv.ParseUint(text, 16, 64)
	return Version(v), err
}

// StoredSession is the copy of a client's session in Redis.
type StoredSession struct {
	Version Version
	// Sound: Redis has lost nothing since it stored the copy. Body is empty if the session
	// cannot be resumed.
	Sound bool
	Body  []byte
}

const (
	// invalidateFor is how long a change waits for Redis.
	invalidateFor = 5 * time.Second
	// putsAtOnce bounds the sessions of one write, and maxSession one of them, in bytes.
	putsAtOnce = 64
	maxSession = 64 << 10
	// maxWaiting bounds the sessions that wait to be written. More are not stored: their
	// clients begin new sessions at other bridges.
	maxWaiting = 50_000
)

// Sessions stores copies of clients' sessions in Redis, by a hash of the private id. Each
// expires a fixed time after it was last put. Its methods are safe for concurrent use.
type Sessions struct {
	shared *Shared
	keep   time.Duration
	bytes  int64
	wake   chan struct{}

	mu      sync.Mutex
	waiting map[string]pendingSession // by key
	// failing is since when Redis has failed, zero while it works.
	failing time.Time
	stats   SessionsStats
	// held is what Redis may hold, by key; used and workspaces are its bytes, in all and by
	// workspace. What has expired was given back at expired.
	held       map[string]heldCopy
	used       int64
	workspaces map[string]int64
	expired    time.Time
	// Nothing is stored until fullUntil. giving: all copies are to be emptied.
	fullUntil time.Time
	giving    bool
}

// SessionsStats are counters of Sessions.
type SessionsStats struct {
	// Put were written, Taken were taken over from other bridges, Lost were found taken
	// by others, and Failed could not be written.
	Put, Taken, Lost, Failed uint64
	// Refused were not stored: they would have taken more than the bound. GivenUp counts how
	// often all were emptied because Redis was full.
	Refused, GivenUp uint64
	// Waiting is how many are to be written.
	Waiting int
	// Bytes is what Redis needs for all that it may hold of this bridge.
	Bytes int64
}

type pendingSession struct {
	workspace string
	version   Version
	body      []byte
	lost      func()
}

// NewSessions returns Sessions whose copies expire after keep, and take so many bytes in Redis at
// most; 0 is without a bound. Run must be called.
func NewSessions(shared *Shared, keep time.Duration, bytes int64) *Sessions {
	return &Sessions{
		shared: shared, keep: keep, bytes: bytes, wake: make(chan struct{}, 1), waiting: make(map[string]pendingSession),
		held: make(map[string]heldCopy), workspaces: make(map[string]int64),
	}
}

var (
	putting  = newScript(putScript)
	finding  = newScript(findScript)
	taking   = newScript(takeScript)
	emptying = newScript(emptyScript)
)

// sessionName is the name of a session's key.
func sessionName(pid string) string {
	sum := sha256.Sum256([]byte(pid))
	return "s:" + hex.EncodeToString(sum[:16])
}

// Put queues a session to be stored; of several versions the last one is. lost is called from a
// goroutine of Sessions if another bridge has taken it over; it must not block. Put returns false
// if the session is over a bound: then it is not stored, and a copy that there is is emptied.
func (s *Sessions) Put(workspace, pid string, version Version, body []byte, lost func()) bool {
	key := sessionName(pid)
	s.mu.Lock()
	defer s.signal()
	defer s.mu.Unlock()
	p, waits := s.waiting[key]
	if p.version > version {
		return true
	}
	stored := len(body) <= maxSession && (waits || len(s.waiting) < maxWaiting) && s.admit(key, workspace, version, len(body))
	if !stored {
		s.stats.Refused++
		c, held := s.held[key]
		if !held || c.bytes == copyBytes && !waits {
			return false
		}
		c.version = version
		s.held[key] = c
		body = nil
	}
	s.waiting[key] = pendingSession{workspace, version, body, lost}
	return stored
}

func (s *Sessions) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Away tells whether Redis fails, so that what is put now would only queue.
func (s *Sessions) Away() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.failing.IsZero()
}

// Invalidate marks a session's copy as changing, so that nobody resumes it, and returns once
// Redis has acknowledged that. It retries for invalidateFor, but not if Redis has been failing
// for as long already. owned is false if another bridge has taken the session over.
func (s *Sessions) Invalidate(ctx context.Context, pid string, version Version) (owned bool, err error) {
	key := sessionName(pid)
	s.mu.Lock()
	if s.waiting[key].version < version {
		delete(s.waiting, key)
	}
	failing := s.failing
	s.mu.Unlock()
	until := time.Now().Add(invalidateFor)
	if !failing.IsZero() {
		until = failing.Add(invalidateFor)
	}
	pause := retry.Backoff{Min: redialMin, Max: redialMax}
	for {
		lost, err := s.put(ctx, []string{key}, []pendingSession{{version: version}})
		if err == nil {
			s.mu.Lock()
			if !lost[0] {
				s.countWritten(key, s.held[key].workspace, version, 0)
			}
			s.mu.Unlock()
			return !lost[0], nil
		}
		if !time.Now().Before(until) {
			return false, err
		}
		if err := retry.Sleep(ctx, pause.Next()); err != nil {
			return false, err
		}
	}
}

// put writes sessions, and reports for each whether another bridge has taken it over.
func (s *Sessions) put(ctx context.Context, keys []string, all []pendingSession) (lost []bool, err error) {
	args := make([]any, 0, 1+2*len(all))
	args = append(args, s.keep.Milliseconds())
	for _, p := range all {
		args = append(args, p.version.String(), p.body)
	}
	cmd, err := s.shared.run(ctx, putting, keys, args...)
	var answers []string
	if err == nil {
		answers, err = cmd.StringSlice()
	}
	if redis.IsTryAgainError(err) && len(keys) > 1 {
		return s.putEach(ctx, keys, all)
	}
	if err == nil && len(answers) != len(keys) {
		err = errors.New("an answer of another length")
	}
	s.note(err)
	if err != nil {
		return nil, fmt.Errorf("keep sessions in Redis: %w", err)
	}
	lost = make([]bool, len(keys))
	for i, a := range answers {
		if a != "" { // it may be a later version of ours
			kept, err := parseVersion(a)
			lost[i] = err != nil || kept.Owner() != all[i].version.Owner()
		}
	}
	return lost, nil
}

// putEach writes sessions one by one, while a Redis Cluster migrates the slot and the keys are
// on two servers.
func (s *Sessions) putEach(ctx context.Context, keys []string, all []pendingSession) (lost []bool, err error) {
	for i := range keys {
		one, err := s.put(ctx, keys[i:i+1], all[i:i+1])
		if err != nil {
			return nil, err
		}
		lost = append(lost, one...)
	}
	return lost, nil
}

// note notes whether Redis works.
func (s *Sessions) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if IsFull(err) {
		s.giveUp()
	}
	switch {
	case err == nil:
		s.failing = time.Time{}
	case s.failing.IsZero() && !errors.Is(err, context.Canceled):
		s.failing = time.Now()
	}
}

// Find returns the copy of a session, the zero StoredSession for none.
func (s *Sessions) Find(ctx context.Context, pid string) (StoredSession, error) {
	cmd, err := s.shared.run(ctx, finding, []string{sessionName(pid)})
	s.note(err)
	if err != nil {
		return StoredSession{}, fmt.Errorf("find a session in Redis: %w", err)
	}
	parts, err := cmd.Slice()
	if err != nil || len(parts) == 0 {
		return StoredSession{}, err
	}
	if len(parts) != 3 {
		return StoredSession{}, errNoSession
	}
	version, _ := parts[0].(string)
	sound, _ := parts[1].(int64)
	body, _ := parts[2].(string)
	k := StoredSession{Sound: sound == 1, Body: []byte(body)}
	if k.Version, err = parseVersion(version); err != nil {
		return StoredSession{}, errNoSession
	}
	return k, nil
}

// errNoSession: the key holds something that no bridge wrote.
var errNoSession = errors.New("find a session in Redis: what is kept there is none")

// Take takes over a session that Find returned, unless it has changed since, so that only one
// bridge does. It returns the version that the new owner has.
func (s *Sessions) Take(ctx context.Context, pid string, found Version) (Version, bool, error) {
	next := found.Taken()
	cmd, err := s.shared.run(ctx, taking, []string{sessionName(pid)}, s.keep.Milliseconds(), found.String(), next.String())
	s.note(err)
	if err != nil {
		return 0, false, fmt.Errorf("take a session over: %w", err)
	}
	n, err := cmd.Int()
	if n == 1 {
		s.mu.Lock()
		s.stats.Taken++
		s.mu.Unlock()
	}
	return next, n == 1, err
}

// Run writes what was put until ctx ends, and returns nil.
func (s *Sessions) Run(ctx context.Context) error {
	pause := retry.Backoff{Min: redialMin, Max: redialMax}
	tick := time.NewTicker(redialMax)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if s.Away() {
				_, _ = s.Find(ctx, "") // for its note whether Redis answers
			}
		case <-s.wake:
		}
		for {
			s.emptyAll(ctx)
			keys, all := s.next()
			if len(keys) == 0 {
				break
			}
			lost, err := s.put(ctx, keys, all)
			s.wrote(keys, all, lost, err)
			if err == nil {
				pause.Reset()
			} else if retry.Sleep(ctx, pause.Next()) != nil {
				return nil
			}
		}
	}
}

func (s *Sessions) next() (keys []string, all []pendingSession) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, p := range s.waiting {
		if len(p.body) == 0 && len(keys) > 0 {
			continue // alone, see putScript
		}
		keys, all = append(keys, key), append(all, p)
		delete(s.waiting, key)
		if len(keys) == putsAtOnce || len(p.body) == 0 {
			break
		}
	}
	return keys, all
}

// wrote notes the outcome of a write. Those that could not be written wait again, unless there
// is a later version.
func (s *Sessions) wrote(keys []string, all []pendingSession, lost []bool, err error) {
	var tell []func()
	s.mu.Lock()
	for i, key := range keys {
		switch {
		case err != nil:
			s.stats.Failed++
			if s.waiting[key].version < all[i].version {
				s.waiting[key] = all[i]
			}
		case lost[i]:
			s.stats.Lost++
			if s.held[key].version == all[i].version {
				s.count(key, heldCopy{})
			}
			tell = append(tell, all[i].lost)
		default:
			s.stats.Put++
			s.countWritten(key, all[i].workspace, all[i].version, len(all[i].body))
		}
	}
	s.mu.Unlock()
	for _, f := range tell {
		if f != nil {
			f()
		}
	}
}

// Stats reports the counters.
func (s *Sessions) Stats() SessionsStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(time.Now())
	stats := s.stats
	stats.Bytes = s.used
	stats.Waiting = len(s.waiting)
	return stats
}
