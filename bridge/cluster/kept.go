package cluster

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrTakenOver is that of a session that another bridge goes on with.
var ErrTakenOver = errors.New("another bridge goes on with the session")

// Kept is what other bridges may go on with of a client's session, and of those that it
// continues here: never with fewer subscriptions than it has. So before one is made or
// taken back, what was kept is made invalid, and that has been acknowledged. What is kept
// may be old, or lost: then the client begins a new session, which repeats and loses
// nothing. Its methods are safe for concurrent use.
type Kept struct {
	sessions *Sessions

	mu      sync.Mutex
	pid     string // "" before it was kept
	version Version
	// written: something was put, or may have been. sound: it is what the session is now,
	// since at. ended: the session is not to be gone on with, here or elsewhere.
	written, sound, ended bool
	at                    time.Time
	// changing counts what is about to change it.
	changing int
}

// NewKept returns a Kept of a new session, of which nothing is kept.
func NewKept(s *Sessions) *Kept { return &Kept{sessions: s} }

// NewTaken returns a Kept of a session that was taken over, see Sessions.Take.
func NewTaken(s *Sessions, version Version) *Kept {
	return &Kept{sessions: s, version: version, written: true}
}

// Newest tells whether this session is the newest of its private id: no other bridge has
// had it since. Where that is not known it is not: asked tells that what is kept was asked
// for, and answered with found.
func (k *Kept) Newest(asked bool, found *KeptSession) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ended || k.changing > 0 {
		return false
	}
	return !k.written || asked && found.Sound && found.Version.Owner() == k.version.Owner()
}

// Keep puts the session as it is now, soon. session returns it, or that there is something
// that the client is still owed; then nothing is put. lost is called where another bridge
// has taken it over; see Sessions.Put.
func (k *Kept) Keep(pid string, session func() (body []byte, ok bool), lost func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	// While Redis is away nothing new is put: what Redis has nothing of may be changed
	// without it. It is put when Redis is back.
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

// Change changes what the client sees by apply, which is called where nobody goes on with
// what was kept before. It returns ErrTakenOver, or why that could not be made sure; then
// the session has ended, unchanged.
func (k *Kept) Change(ctx context.Context, apply func()) error {
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

// Due tells whether the session is to be put again: what is kept is not what it is, or
// older than that.
func (k *Kept) Due(now time.Time, older time.Duration) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.sound || now.Sub(k.at) >= older
}

// End notes that the session is not to be gone on with, here or elsewhere.
func (k *Kept) End() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ended = true
}
