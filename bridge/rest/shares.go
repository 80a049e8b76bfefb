package rest

import (
	"sync"
	"time"
)

// Limits of requests: how many may be under way for one user, one workspace and all; and how
// many one user may begin in a second, with a burst. A CRM asks for its list and its open
// conversation every two or three seconds.
const (
	userAtOnce, workspaceAtOnce, atOnce = 8, 64, 256

	perSecond, burst = 20, 100

	// workspaceBytes and answerBytes bound the answers of one workspace, and of all, that
	// are in memory because their clients have not taken them yet.
	workspaceBytes, answerBytes = 24 << 20, 96 << 20
	// maxUsers bounds the users that are remembered; past it new ones have one share
	// together.
	maxUsers = 20_000
)

// shares counts requests against the limits.
type shares struct {
	mu         sync.Mutex // held while what follows is used
	all        int
	users      map[string]int // under way
	workspaces map[string]int
	full       map[string]time.Time // when a user has its whole burst again
	swept      time.Time
	bytes      int // of answers
	bytesOf    map[string]int
}

func newShares() *shares {
	return &shares{
		users: make(map[string]int), workspaces: make(map[string]int), bytesOf: make(map[string]int),
		full: make(map[string]time.Time),
	}
}

// enter counts a request, unless a limit is reached. The caller calls leave when it has been
// answered.
func (s *shares) enter(workspace, user string) (leave func(), ok bool) {
	user = workspace + "\x00" + user
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= atOnce || s.workspaces[workspace] >= workspaceAtOnce || s.users[user] >= userAtOnce || !s.take(user) {
		return nil, false
	}
	s.all++
	s.workspaces[workspace]++
	s.users[user]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all--
		drop(s.workspaces, workspace, 1)
		drop(s.users, user, 1)
	}, true
}

// take takes a token of the user's rate. s.mu is held.
func (s *shares) take(user string) bool {
	now := time.Now()
	s.sweep(now)
	full, known := s.full[user]
	if !known && len(s.full) >= maxUsers {
		user = ""
		full = s.full[user]
	}
	if full.Before(now) {
		full = now
	}
	full = full.Add(time.Second / perSecond)
	if full.Sub(now) > burst*time.Second/perSecond {
		return false
	}
	s.full[user] = full
	return true
}

// sweep forgets the users that have their whole burst, once a second. s.mu is held.
func (s *shares) sweep(now time.Time) {
	if len(s.full) < maxUsers/20 || now.Sub(s.swept) < time.Second {
		return
	}
	s.swept = now
	for user, full := range s.full {
		if !full.After(now) {
			delete(s.full, user)
		}
	}
}

// keep counts an answer's bytes, unless a limit is reached. A workspace's only answer is
// admitted in any case. The caller calls release when it has been written.
func (s *shares) keep(workspace string, n int) (release func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if of := s.bytesOf[workspace]; of > 0 && of+n > workspaceBytes || s.bytes+n > answerBytes {
		return nil, false
	}
	s.bytes += n
	s.bytesOf[workspace] += n
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.bytes -= n
		drop(s.bytesOf, workspace, n)
	}, true
}

func drop(counts map[string]int, key string, n int) {
	if counts[key] -= n; counts[key] == 0 {
		delete(counts, key)
	}
}

// underWay returns how many requests are.
func (s *shares) underWay() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all
}
