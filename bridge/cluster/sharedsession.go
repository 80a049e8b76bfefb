package cluster

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrTakenOver: another bridge has taken the session over.
var ErrTakenOver = errors.New("another bridge goes on with the session")

// SharedSession is the copy in Redis of a client's session, from which other bridges resume it.
// The copy never has fewer subscriptions than the session: before one is added or removed, the
// copy is invalidated, and Redis has acknowledged that. It may be outdated or lost; then the
// client begins a new session, which repeats events and loses none. Its methods are safe for
// concurrent use.
type SharedSession struct {
	sessions  *Sessions
	workspace string

	mu      sync.Mutex
	pid     string // "" before it was stored
	version Version
	// written: a copy was stored, or may have been. sound: the copy equals the session, since
	// at. resumable: Redis may have a copy with a body. refused: the last one was not stored, at
	// at. ended: no bridge may resume the session.
	written, sound, resumable, refused, ended bool
	at                                        time.Time
	// changing counts the calls of Change under way.
	changing int
}

// NewSharedSession returns the SharedSession of a new session of a workspace, without a copy in
// Redis.
func NewSharedSession(s *Sessions, workspace string) *SharedSession {
	return &SharedSession{sessions: s, workspace: workspace}
}

// NewTakenOver returns the SharedSession of a session that was taken over, see Sessions.Take.
func NewTakenOver(s *Sessions, workspace string, version Version) *SharedSession {
	return &SharedSession{sessions: s, workspace: workspace, version: version, written: true}
}

// Newest tells whether this session is the newest of its private id: no other bridge has had it
// since. Unknown counts as no. asked: Redis was asked for the copy and answered with found.
func (k *SharedSession) Newest(asked bool, found *StoredSession) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ended || k.changing > 0 {
		return false
	}
	return !k.written || asked && found.Sound && found.Version.Owner() == k.version.Owner()
}

// Keep stores the session soon. session returns its present state; ok is false while the client
// is still owed events, and then nothing is stored. lost is called if another bridge has taken
// it over; see Sessions.Put. Keep returns false if the session is over a bound and is not stored:
// a client that comes to another bridge then begins a new session there.
func (k *SharedSession) Keep(pid string, session func() (body []byte, ok bool), lost func()) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	// While Redis is away no new copy is queued: a session without a copy can change without
	// Redis. It is stored when Redis is back.
	if k.changing > 0 || k.ended || !k.sound && k.sessions.Away() {
		return true
	}
	body, ok := session()
	if !ok {
		return true
	}
	k.pid = pid
	k.version++
	stored := k.sessions.Put(k.workspace, k.pid, k.version, body, lost)
	k.sound, k.refused, k.at = stored, !stored, time.Now()
	if stored {
		k.written, k.resumable = true, true
	}
	return stored
}

// Change invalidates the copy and then calls apply, which changes the subscriptions. It returns
// ErrTakenOver, or why the copy could not be invalidated; then apply was not called and the
// session has ended.
func (k *SharedSession) Change(ctx context.Context, apply func()) error {
	k.mu.Lock()
	stale := k.resumable
	k.sound, k.resumable = false, false
	k.changing++
	k.version++
	pid, version := k.pid, k.version
	k.mu.Unlock()
	if stale {
		owned, err := k.sessions.Invalidate(ctx, pid, version)
		if !owned {
			k.End()
			if err == nil {
				err = ErrTakenOver
			}
			return err
		}
	}
	apply()
	k.mu.Lock()
	if stale {
		k.written = false // nobody can take over what Redis has of it now
	}
	k.changing--
	k.mu.Unlock()
	return nil
}

// Due tells whether the copy must be stored again: it differs from the session, or is older
// than older.
func (k *SharedSession) Due(now time.Time, older time.Duration) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.refused && now.Sub(k.at) < min(refusedPause, older) {
		return false // to encode it costs more than to ask again later
	}
	return !k.sound || now.Sub(k.at) >= older
}

// refusedPause is for how long a session that was over a bound is not stored again, unless it
// changes.
const refusedPause = 10 * time.Second

// End notes that no bridge may resume the session.
func (k *SharedSession) End() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ended = true
}
