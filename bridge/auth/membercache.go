package auth

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// membersTimeout bounds one question about membership.
	membersTimeout = 5 * time.Second
	// maxMembers bounds the cached answers.
	maxMembers = 50_000
	// membersBatch is how many memberships one question may name. With uuids that
	// makes a PostgREST URL of 4 kB.
	membersBatch = 50
)

type memberAnswer struct {
	workspace string // as Members.Find gave it
	until     time.Time
}

// memberCache caches answers, yes and no alike, for ttl. Errors are not cached.
type memberCache struct {
	ask    Members
	ttl    time.Duration
	now    func() time.Time
	limits *questionLimits
	log    *slog.Logger

	asking singleflight.Group

	mu      sync.Mutex // held while answers and dropped are used
	answers map[Membership]memberAnswer
	// dropped counts the calls of drop. A question that was asked before one may
	// have an outdated answer, which is not cached.
	dropped uint64

	cached, asked, failed, limited, checked, checksFailed atomic.Uint64
}

func newMemberCache(ask Members, ttl time.Duration, now func() time.Time, log *slog.Logger) *memberCache {
	return &memberCache{ask: ask, ttl: ttl, now: now, limits: newQuestionLimits(now), log: log, answers: make(map[Membership]memberAnswer)}
}

// find is Members.Find with the cache, for a client at from. Concurrent callers with the
// same question share one answer. Ids have no control characters (validID), so NUL can
// separate them in the key.
func (m *memberCache) find(ctx context.Context, user, workspace string, from netip.Addr) (string, error) {
	key := Membership{user, workspace}
	if a, ok := m.cachedAnswer(key); ok {
		m.cached.Add(1)
		return a, nil
	}
	return share(ctx, &m.asking, user+"\x00"+workspace, func() (string, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), membersTimeout)
		defer cancel()
		found, err := m.limits.ask(ctx, user, from, func() (string, error) { return m.question(ctx, key) })
		if errors.Is(err, ErrTooManyQuestions) && m.limited.Add(1) == 1 {
			m.log.Warn("clients ask about too many workspaces of others; they are closed, to come back later (logged once, bridge_membership_checks_total counts)")
		}
		return found, err
	})
}

// question asks Members and caches the answer.
func (m *memberCache) question(ctx context.Context, key Membership) (string, error) {
	m.asked.Add(1)
	// The ttl starts before the question, so that no cached answer is older.
	until, dropped := m.now().Add(m.ttl), m.droppedBefore()
	found, err := m.ask.Find(ctx, key.User, key.Workspace)
	if err != nil {
		m.failed.Add(1)
		return "", err
	}
	m.store(key, memberAnswer{found, until}, dropped)
	return found, nil
}

func (m *memberCache) cachedAnswer(key Membership) (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.answers[key]
	return a.workspace, ok && m.now().Before(a.until)
}

func (m *memberCache) droppedBefore() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dropped
}

// store caches an answer, unless answers were dropped since its question was asked:
// dropped is droppedBefore's result from then.
func (m *memberCache) store(key Membership, a memberAnswer, dropped uint64) {
	if m.ttl <= 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dropped != dropped {
		return
	}
	if len(m.answers) >= maxMembers {
		m.makeRoom()
	}
	m.answers[key] = a
}

// makeRoom deletes the answers that are out of date, then any others until a tenth of
// maxMembers is free: a deleted answer costs one more question. mu is held.
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

// drop deletes the answers about these memberships, yes and no alike; nil deletes all.
func (m *memberCache) drop(of []Membership) {
	about := make(map[Membership]bool, len(of))
	for _, one := range of {
		about[one.Fold()] = true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dropped++
	if of == nil {
		clear(m.answers)
		return
	}
	for key, a := range m.answers {
		// The client may have written the workspace's id differently from the database.
		if about[key.Fold()] || about[Membership{key.User, a.workspace}.Fold()] {
			delete(m.answers, key)
		}
	}
}

// former returns those of the memberships that no longer exist, and drops the cached
// answers about them.
func (m *memberCache) former(ctx context.Context, of []Membership) ([]Membership, error) {
	// The fewer workspaces a batch has, the fewer memberships come back that it did not
	// ask for.
	of = slices.SortedFunc(slices.Values(of), func(a, b Membership) int {
		return cmp.Or(cmp.Compare(a.Workspace, b.Workspace), cmp.Compare(a.User, b.User))
	})
	var former []Membership
	for batch := range slices.Chunk(of, membersBatch) {
		left, err := m.formerOf(ctx, batch)
		if err != nil {
			return nil, err
		}
		former = append(former, left...)
	}
	if len(former) > 0 {
		m.drop(former)
	}
	return former, nil
}

// formerOf is former for one batch. Memberships that are missing among the existing ones
// are asked for one by one, because the database may write an id differently from a token.
func (m *memberCache) formerOf(ctx context.Context, batch []Membership) ([]Membership, error) {
	existing, err := m.check(ctx, func(ctx context.Context) ([]Membership, error) { return m.ask.Existing(ctx, batch) })
	if err != nil {
		return nil, err
	}
	var former []Membership
	for _, one := range batch {
		if slices.Contains(existing, one) {
			continue
		}
		_, err := m.check(ctx, func(ctx context.Context) ([]Membership, error) {
			found, err := m.ask.Find(ctx, one.User, one.Workspace)
			if err == nil && found == "" {
				former = append(former, one)
			}
			return nil, err
		})
		if err != nil {
			return nil, err
		}
	}
	return former, nil
}

// check asks one question about connected clients, within membersTimeout, and counts it.
func (m *memberCache) check(ctx context.Context, ask func(context.Context) ([]Membership, error)) ([]Membership, error) {
	ctx, cancel := context.WithTimeout(ctx, membersTimeout)
	defer cancel()
	found, err := ask(ctx)
	if err != nil {
		m.checksFailed.Add(1)
		return nil, err
	}
	m.checked.Add(1)
	return found, nil
}

func (m *memberCache) stats() MemberStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	return MemberStats{
		Cached: m.cached.Load(), Asked: m.asked.Load(), Failed: m.failed.Load(),
		Limited: m.limited.Load(), Checked: m.checked.Load(), ChecksFailed: m.checksFailed.Load(), Entries: len(m.answers),
	}
}
