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
	sessions *Sessions

	mu      sync.Mutex
	pid     string // "" before it was stored
	version Version
	// written: a copy was stored, or may have been. sound: the copy equals the session, since
	// at. ended: no bridge may resume the session.
	written, sound, ended bool
	at                    time.Time
	// changing counts the calls of Change under way.
	changing int
}

// NewSharedSession returns the SharedSession of a new session, without a copy in Redis.
func NewSharedSession(s *Sessions) *SharedSession { return &SharedSession{sessions: s} }

// NewTakenOver returns the SharedSession of a session that was taken over, see Sessions.Take.
func NewTakenOver(s *Sessions, version Version) *SharedSession {
	return &SharedSession{sessions: s, version: version, written: true}
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
// it over; see Sessions.Put.
func (k *SharedSession) Keep(pid string, session func() (body []byte, ok bool), lost func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	// While Redis is away no new copy is queued: a session without a copy can change without
	// Redis. It is stored when Redis is back.
	if k.changing > 0 || k.ended || !k.sound && k.sessions.Away() {
		return
	}
	body, ok := session()
	if !ok {
		return
	}
	k.pid = pid
	k.version++
	k.written, k.sound, k.at = true, true, time.Now()
	k.sessions.Put(k.pid, k.version, body, lost)
}

// Change invalidates the copy and then calls apply, which changes the subscriptions. It returns
// ErrTakenOver, or why the copy could not be invalidated; then apply was not called and the
// session has ended.
func (k *SharedSession) Change(ctx context.Context, apply func()) error {
	k.mu.Lock()
	stale := k.sound
	k.sound = false
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
	k.changing--
	k.mu.Unlock()
	return nil
}

// Due tells whether the copy must be stored again: it differs from the session, or is older
// than older.
func (k *SharedSession) Due(now time.Time, older time.Duration) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.sound || now.Sub(k.at) >= older
}

// End notes that no bridge may resume the session.
func (k *SharedSession) End() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ended = true
}
