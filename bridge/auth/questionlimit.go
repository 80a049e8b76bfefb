package auth

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"chatbridge/internal/clientkey"
)

// Whoever has a session token can ask about any workspace, and each question that
// is not answered by the cache takes a connection of the database for a moment. So
// a user, and an address (of IPv6, its /64), has few questions under way at a time,
// and only so many in a row that are answered no. A yes costs nothing: an office
// behind one address comes in after a restart without waiting. Where an address has
// used up its noes, its users that were answered no lately are not answered, and the
// others, who may be behind the same proxy, one after the other.
const (
	userAtOnce, addressAtOnce = 2, 16
	// userNoes and addressNoes may come at once, and after that one every
	// userNoEvery and addressNoEvery.
	userNoes, addressNoes       = 20, 200
	userNoEvery, addressNoEvery = 3 * time.Second, 100 * time.Millisecond
	// maxAskers bounds the users, and the addresses, that are remembered.
	maxAskers = 20_000
)

// ErrTooManyQuestions is wrapped, with ErrUnavailable, by the answer to a client that
// may not ask about another workspace now. It is logged once.
var ErrTooManyQuestions = errors.New("this user or address has asked about too many workspaces that it is no member of")

// questionLimits bounds questions about membership by user and by address.
type questionLimits struct {
	users, addresses askers
}

func newQuestionLimits(now func() time.Time) *questionLimits {
	return &questionLimits{
		users:     askers{now: now, atOnce: userAtOnce, noes: userNoes, every: userNoEvery, all: make(map[string]*asker)},
		addresses: askers{now: now, atOnce: addressAtOnce, noes: addressNoes, every: addressNoEvery, all: make(map[string]*asker)},
	}
}

// ask calls question, once the user and the address may ask. The error is
// ErrTooManyQuestions where they may not, and ctx's where it ends before.
func (l *questionLimits) ask(ctx context.Context, user string, from netip.Addr, question func() (string, error)) (string, error) {
	u := l.users.get(user)
	defer u.leave()
	if !from.IsValid() {
		return u.ask(ctx, question)
	}
	a := l.addresses.get(clientkey.Of(from).String())
	defer a.leave()
	return u.ask(ctx, func() (string, error) {
		places := int64(1)
		if a.spent() {
			if !u.fresh() {
				return "", ErrTooManyQuestions
			}
			places = addressAtOnce // alone
		}
		return a.takePlaces(ctx, places, question)
	})
}

// askers are the users, or the addresses, that have asked.
type askers struct {
	now    func() time.Time
	atOnce int64
	noes   int
	every  time.Duration

	mu  sync.Mutex // held while all, and each asker's fields, are used
	all map[string]*asker
}

// asker is one of them. Its budget of noes is full at fullAt.
type asker struct {
	of     *askers
	slots  *semaphore.Weighted
	users  int // of this asker, now
	fullAt time.Time
}

// get returns an asker, for use until leave.
func (s *askers) get(key string) *asker {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.all[key]
	if a == nil {
		if len(s.all) >= maxAskers {
			s.makeRoom()
		}
		a = &asker{of: s, slots: semaphore.NewWeighted(s.atOnce)}
		s.all[key] = a
	}
	a.users++
	return a
}

// makeRoom deletes those whose budget is full, and where all are spent, a tenth,
// whichever the map gives first. mu is held.
func (s *askers) makeRoom() {
	now := s.now()
	for key, a := range s.all {
		if a.users == 0 && !a.fullAt.After(now) {
			delete(s.all, key)
		}
	}
	for key, a := range s.all {
		if len(s.all) < maxAskers*9/10 {
			return
		}
		if a.users == 0 {
			delete(s.all, key)
		}
	}
}

// ask calls question unless the budget is spent, by then or after the wait for the
// questions before.
func (a *asker) ask(ctx context.Context, question func() (string, error)) (string, error) {
	if a.spent() {
		return "", ErrTooManyQuestions
	}
	return a.takePlaces(ctx, 1, func() (string, error) {
		if a.spent() {
			return "", ErrTooManyQuestions
		}
		return question()
	})
}

// takePlaces waits for places among those that are under way, and takes an answer no
// off the budget.
func (a *asker) takePlaces(ctx context.Context, places int64, question func() (string, error)) (string, error) {
	if err := a.slots.Acquire(ctx, places); err != nil {
		return "", err
	}
	defer a.slots.Release(places)
	found, err := question()
	if err == nil && found == "" {
		a.no()
	}
	return found, err
}

// fresh reports whether the budget is full.
func (a *asker) fresh() bool {
	a.of.mu.Lock()
	defer a.of.mu.Unlock()
	return !a.fullAt.After(a.of.now())
}

// spent reports whether there is no budget left.
func (a *asker) spent() bool {
	a.of.mu.Lock()
	defer a.of.mu.Unlock()
	return a.fullAt.Sub(a.of.now()) > time.Duration(a.of.noes-1)*a.of.every
}

// no takes one no off the budget.
func (a *asker) no() {
	a.of.mu.Lock()
	defer a.of.mu.Unlock()
	if now := a.of.now(); a.fullAt.Before(now) {
		a.fullAt = now
	}
	a.fullAt = a.fullAt.Add(a.of.every)
}

// leave ends the use that get began.
func (a *asker) leave() {
	a.of.mu.Lock()
	defer a.of.mu.Unlock()
	a.users--
}
