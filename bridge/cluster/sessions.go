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

// Version orders what is kept of one session: who takes it over raises its upper half,
// each change its lower half.
type Version uint64

// Owner tells who has the session: it rises whenever another takes it over.
func (v Version) Owner() uint32 { return uint32(v >> 32) }

// Taken is the version with which another one takes it over.
func (v Version) Taken() Version { return Version(v.Owner()+1) << 32 }

func (v Version) String() string { return fmt.Sprintf("%016x", uint64(v)) }

func parseVersion(text string) (Version, error) {
	v, err := strconv.ParseUint(text, 16, 64)
	return Version(v), err
}

// KeptSession is what is kept of a client's session.
type KeptSession struct {
	Version Version
	// Sound: Redis has lost nothing since it was told so. Body is empty where the session
	// cannot be gone on with.
	Sound bool
	Body  []byte
}

const (
	// invalidateFor is how long a change waits for Redis.
	invalidateFor = 5 * time.Second
	// putsAtOnce bounds the sessions that one step keeps, and maxSession one of them, in
	// bytes.
	putsAtOnce = 64
	maxSession = 64 << 10
	// maxWaiting bounds the sessions that wait to be kept. More are not: their clients
	// begin new ones elsewhere.
	maxWaiting = 50_000
)

// Sessions are the clients' sessions, as bridges tell each other of them: by private id,
// of which only a hash is kept. Each is kept for a time since it was last put. Its methods
// are safe for concurrent use.
type Sessions struct {
	shared *Shared
	keep   time.Duration
	wake   chan struct{}

	mu      sync.Mutex
	waiting map[string]pendingSession // by key
	// failing is since when Redis has failed, zero while it works.
	failing time.Time
	stats   SessionsStats
}

// SessionsStats are counters of Sessions.
type SessionsStats struct {
	// Put were written, Taken were taken over from other bridges, Lost were found taken
	// by others, and Failed could not be written.
	Put, Taken, Lost, Failed uint64
	// Waiting is how many are to be written.
	Waiting int
}

type pendingSession struct {
	version Version
	body    []byte
	lost    func()
}

// NewSessions returns Sessions that are each kept for so long. Run must be called.
func NewSessions(shared *Shared, keep time.Duration) *Sessions {
	return &Sessions{shared: shared, keep: keep, wake: make(chan struct{}, 1), waiting: make(map[string]pendingSession)}
}

var (
	putting = newScript(putScript)
	finding = newScript(findScript)
	taking  = newScript(takeScript)
)

// sessionName is the name of a session's key.
func sessionName(pid string) string {
	sum := sha256.Sum256([]byte(pid))
	return "s:" + hex.EncodeToString(sum[:16])
}

// Put keeps a session, soon; of one that is put again the last version. lost is called
// where another bridge has taken it over, from a goroutine of Sessions. It must not wait.
func (s *Sessions) Put(pid string, version Version, body []byte, lost func()) {
	if len(body) > maxSession {
		return
	}
	key := sessionName(pid)
	s.mu.Lock()
	if p, waits := s.waiting[key]; p.version <= version && (waits || len(s.waiting) < maxWaiting) {
		s.waiting[key] = pendingSession{version, body, lost}
	}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Away tells whether Redis fails: what is put now would only wait.
func (s *Sessions) Away() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.failing.IsZero()
}

// Invalidate keeps that a session is changing, and returns once Redis has it: nobody goes
// on with what was put before. It waits for some seconds, but not where Redis has been
// failing for as long already. owned is false where another bridge has taken it over.
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

// put writes sessions, and reports of each whether it is another's.
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
		if a != "" { // it may be a later one of ours
			kept, err := parseVersion(a)
			lost[i] = err != nil || kept.Owner() != all[i].version.Owner()
		}
	}
	return lost, nil
}

// putEach is put for while a Redis Cluster moves the keys to another server: those that are
// not all at one can be written one by one.
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
	switch {
	case err == nil:
		s.failing = time.Time{}
	case s.failing.IsZero() && !errors.Is(err, context.Canceled):
		s.failing = time.Now()
	}
}

// Find returns what is kept of a session; the zero KeptSession for nothing.
func (s *Sessions) Find(ctx context.Context, pid string) (KeptSession, error) {
	cmd, err := s.shared.run(ctx, finding, []string{sessionName(pid)})
	s.note(err)
	if err != nil {
		return KeptSession{}, fmt.Errorf("find a session in Redis: %w", err)
	}
	parts, err := cmd.Slice()
	if err != nil || len(parts) == 0 {
		return KeptSession{}, err
	}
	if len(parts) != 3 {
		return KeptSession{}, errNoSession
	}
	version, _ := parts[0].(string)
	sound, _ := parts[1].(int64)
	body, _ := parts[2].(string)
	k := KeptSession{Sound: sound == 1, Body: []byte(body)}
	if k.Version, err = parseVersion(version); err != nil {
		return KeptSession{}, errNoSession
	}
	return k, nil
}

// errNoSession is what was kept by something else.
var errNoSession = errors.New("find a session in Redis: what is kept there is none")

// Take takes a session over that was found, if it is as it was found: then nobody else
// does. It returns the version of the one who has it now.
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
				_, _ = s.Find(ctx, "") // notes whether Redis answers
			}
		case <-s.wake:
		}
		for {
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
		keys, all = append(keys, key), append(all, p)
		delete(s.waiting, key)
		if len(keys) == putsAtOnce {
			break
		}
	}
	return keys, all
}

// wrote notes what became of sessions. Those that could not be written wait again, unless
// there is a later version.
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
			tell = append(tell, all[i].lost)
		default:
			s.stats.Put++
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
	stats := s.stats
	stats.Waiting = len(s.waiting)
	return stats
}
