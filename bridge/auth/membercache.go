package auth

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
)

// Members knows who belongs to which workspace.
type Members interface {
	// Find returns the workspace's id as the database writes it (the client
	// may have named it in another case), or "" where the user is no member.
	// An error means that there is no answer.
	Find(ctx context.Context, user, workspace string) (string, error)
}

const (
	// membersTimeout bounds one question about membership.
	membersTimeout = 5 * time.Second
	// maxMembers bounds the answers cached.
	maxMembers = 50_000
)

type membership struct{ user, workspace string }

type memberAnswer struct {
	workspace string // as Members.Find gave it
	until     time.Time
}

// memberCache caches answers, yes and no alike, for ttl. Errors are not cached.
type memberCache struct {
	ask Members
	ttl time.Duration
	now func() time.Time

	asking singleflight.Group

	mu      sync.Mutex // held while answers is used
	answers map[membership]memberAnswer

	cached, asked, failed atomic.Uint64
}

func newMemberCache(ask Members, ttl time.Duration, now func() time.Time) *memberCache {
	return &memberCache{ask: ask, ttl: ttl, now: now, answers: make(map[membership]memberAnswer)}
}

// find is Members.Find with the cache. Callers with the same question at the
// same time share one answer. Ids have no control characters (validID), so NUL
// separates them.
func (m *memberCache) find(ctx context.Context, user, workspace string) (string, error) {
	key := membership{user, workspace}
	if a, ok := m.cachedAnswer(key); ok {
		m.cached.Add(1)
		return a, nil
	}
	return share(ctx, &m.asking, user+"\x00"+workspace, func() (string, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), membersTimeout)
		defer cancel()
		m.asked.Add(1)
		// From before the question, so that an answer is never older than ttl.
		until := m.now().Add(m.ttl)
		found, err := m.ask.Find(ctx, user, workspace)
		if err != nil {
			m.failed.Add(1)
			return "", err
		}
		m.store(key, memberAnswer{found, until})
		return found, nil
	})
}

func (m *memberCache) cachedAnswer(key membership) (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.answers[key]
	return a.workspace, ok && m.now().Before(a.until)
}

func (m *memberCache) store(key membership, a memberAnswer) {
	if m.ttl <= 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.answers) >= maxMembers {
		m.makeRoom()
	}
	m.answers[key] = a
}

// makeRoom deletes what is out of date and, where that is little, a tenth of
// the rest, whichever the map gives first: a deleted answer costs a question.
func (m *memberCache) makeRoom() {
	now := m.now()
	for key, a := range m.answers {
		if !now.Before(a.until) {
			delete(m.answers, key)
		}
	}
	for key := range m.answers {
		if len(m.answers) < maxMembers*9/10 {
			return
		}
		delete(m.answers, key)
	}
}

func (m *memberCache) stats() MemberStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	return MemberStats{Cached: m.cached.Load(), Asked: m.asked.Load(), Failed: m.failed.Load(), Entries: len(m.answers)}
}
