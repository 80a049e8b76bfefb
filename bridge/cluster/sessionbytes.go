package cluster

import (
	"context"
	"time"
)

// SessionsShare is which part of replay.max_bytes one bridge's copies of sessions may take in
// Redis: one in so many bytes.
const SessionsShare = 8

const (
	// copyBytes is what Redis needs for a key and a copy without a body. An invalidated copy
	// takes that until it expires.
	copyBytes = 384
	// copyStep is in which steps a body counts, so that a copy that is stored again with a
	// longer position needs no more.
	copyStep = 256
)

// bytesOf is what Redis needs for a copy with a body of so many bytes: its allocator takes up to
// a quarter more.
func bytesOf(body int) int64 {
	steps := (body + copyStep - 1) / copyStep
	return copyBytes + int64(steps*copyStep)*5/4
}

// heldCopy is what Redis may hold of one session.
type heldCopy struct {
	workspace string
	version   Version
	bytes     int64
	until     time.Time // it has expired in Redis
}

// admit counts a copy that is to be written, and reports whether it may be. All of a bridge
// take no more than s.bytes, and those of a workspace no more than is left to the others then:
// a single one gets half. mu must be held.
func (s *Sessions) admit(key, workspace string, version Version, body int) bool {
	now := time.Now()
	if now.Before(s.fullUntil) {
		return false
	}
	bytes := bytesOf(body)
	fits := func() bool {
		more := bytes - s.held[key].bytes
		return s.bytes <= 0 || more <= 0 || s.workspaces[workspace]+more <= s.bytes-s.used-more
	}
	if !fits() {
		s.expire(now)
		if !fits() {
			return false
		}
	}
	s.count(key, heldCopy{workspace, version, max(bytes, s.held[key].bytes), now.Add(s.keep)})
	return true
}

// count notes what Redis holds under a key; the zero heldCopy is nothing. mu must be held.
func (s *Sessions) count(key string, c heldCopy) {
	was := s.held[key]
	s.used += c.bytes - was.bytes
	s.workspaces[was.workspace] -= was.bytes
	s.workspaces[c.workspace] += c.bytes
	for _, w := range []string{was.workspace, c.workspace} {
		if s.workspaces[w] == 0 {
			delete(s.workspaces, w)
		}
	}
	if c.bytes == 0 {
		delete(s.held, key)
	} else {
		s.held[key] = c
	}
}

// countWritten notes that Redis has acknowledged a copy, unless a later one was admitted.
// mu must be held.
func (s *Sessions) countWritten(key, workspace string, version Version, body int) {
	if c := s.held[key]; c.version <= version {
		s.count(key, heldCopy{workspace, version, bytesOf(body), time.Now().Add(s.keep)})
	}
}

// expirePause is how often what has expired is looked for at most.
const expirePause = time.Second

// expire gives back the bytes of copies that have expired. mu must be held.
func (s *Sessions) expire(now time.Time) {
	if now.Sub(s.expired) < min(expirePause, s.keep) {
		return
	}
	s.expired = now
	for key, c := range s.held {
		if _, waits := s.waiting[key]; !waits && now.After(c.until) {
			s.count(key, heldCopy{})
		}
	}
}

// GiveUp has Run empty all copies that this bridge has put, and stores none until they would have
// expired: Redis is full, and the stream needs the room. It does not wait.
func (s *Sessions) GiveUp() {
	s.mu.Lock()
	s.giveUp()
	s.mu.Unlock()
	s.signal()
}

// giveUp is GiveUp. mu must be held.
func (s *Sessions) giveUp() {
	if now := time.Now(); !now.Before(s.fullUntil) {
		s.fullUntil, s.giving = now.Add(s.keep), true
		s.stats.GivenUp++
	}
}

// emptyAll empties the copies in Redis if they were given up. Their keys stay, so that no write
// that is under way brings an older copy back.
func (s *Sessions) emptyAll(ctx context.Context) {
	var keys []string
	var versions []Version
	s.mu.Lock()
	giving := s.giving
	if s.giving = false; giving {
		for key, p := range s.waiting {
			if len(p.body) > 0 {
				delete(s.waiting, key)
			}
		}
		for key, c := range s.held {
			if c.bytes > copyBytes {
				keys, versions = append(keys, key), append(versions, c.version)
			}
		}
	}
	s.mu.Unlock()
	for len(keys) > 0 {
		n := min(len(keys), putsAtOnce)
		args := []any{s.keep.Milliseconds()}
		for _, v := range versions[:n] {
			args = append(args, v.String())
		}
		if _, err := s.shared.run(ctx, emptying, keys[:n], args...); err != nil {
			s.mu.Lock()
			s.giving = true // with the next attempt
			s.mu.Unlock()
			return
		}
		s.mu.Lock()
		for i, key := range keys[:n] {
			if c := s.held[key]; c.version == versions[i] {
				s.count(key, heldCopy{c.workspace, c.version, copyBytes, time.Now().Add(s.keep)})
			}
		}
		s.mu.Unlock()
		keys, versions = keys[n:], versions[n:]
	}
}
