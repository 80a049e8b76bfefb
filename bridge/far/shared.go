package far

import (
	"sync"
	"time"
)

// Clients of one workspace that come back together miss much the same. What was read is
// shared for a moment, row by row and list by list, with those that need the same. What
// changed after it was read is in the log of whoever gets it: that reaches back to before.
const (
	sharedFor   = 10 * time.Second
	sharedBytes = 16 << 20 // of rows
	listsBytes  = 8 << 20
)

// shared keeps what was read, within bounds. Each key begins with the workspace.
type shared[T any] struct {
	limit int // bytes

	mu    sync.Mutex
	kept  map[string]sharedEntry[T]
	order []string // of keys, the oldest first
	bytes int
}

type sharedEntry[T any] struct {
	value T
	at    time.Time // when it was begun to be read
	bytes int
}

func newShared[T any](limit int) *shared[T] {
	return &shared[T]{limit: limit, kept: make(map[string]sharedEntry[T])}
}

// sharedKey is the key of what was read of one workspace. No workspace has a NUL: Postgres
// has none in its values.
func sharedKey(workspace string, kind byte, key string) string {
	return workspace + "\x00" + string(rune(kind)) + key
}

// get returns what was read no earlier than until.
func (s *shared[T]) get(key string, until time.Time) (value T, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.kept[key]
	if !ok || e.at.Before(until) || time.Since(e.at) >= sharedFor {
		return value, false
	}
	return e.value, true
}

// put keeps what was read, and drops the oldest beyond the bounds.
func (s *shared[T]) put(key string, value T, bytes int, at time.Time) {
	e := sharedEntry[T]{value: value, at: at, bytes: bytes + len(key)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.kept[key]; ok {
		s.bytes += e.bytes - old.bytes
	} else {
		s.order, s.bytes = append(s.order, key), s.bytes+e.bytes
	}
	s.kept[key] = e
	for len(s.order) > 0 && (s.bytes > s.limit || time.Since(s.kept[s.order[0]].at) > sharedFor) {
		s.bytes -= s.kept[s.order[0]].bytes
		delete(s.kept, s.order[0])
		s.order = s.order[1:]
	}
}
