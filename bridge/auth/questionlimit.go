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

// Whoever has a session token can ask about any workspace, and each question that the
// cache cannot answer takes a database connection for a moment. So each user and each
// address (of IPv6, each /64) has a limit of concurrent questions, and a budget of
// answers no. An answer yes costs nothing, so that an office behind one address can
// reconnect after a restart without waiting. When the budget of an address is spent, its
// users who lately got a no are refused, and the others, who may only share a proxy with
// them, are served one at a time.
const (
	userAtOnce, addressAtOnce = 2, 16
	// userNoes and addressNoes are the full budgets. One no comes back every
	// userNoEvery and addressNoEvery.
	userNoes, addressNoes       = 20, 200
	userNoEvery, addressNoEvery = 3 * time.Second, 100 * time.Millisecond
	// maxAskers bounds the remembered users, and separately the addresses.
	maxAskers = 20_000
)

// ErrTooManyQuestions is wrapped, with ErrUnavailable, by the error of Authenticate when
// the client may not ask about another workspace now. Only the first one is logged.
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

// ask waits for the user's and the address's turn and calls question. The error is
// ErrTooManyQuestions if their budget is spent, and ctx's if ctx ends first.
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

// asker is one user, or one address.
type asker struct {
	of     *askers
	slots  *semaphore.Weighted
	users  int       // calls of get without leave: an asker in use is not deleted
	fullAt time.Time // when its budget is full again
}

// get returns the asker of key, for use until leave.
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

// makeRoom deletes the askers whose budget is full, then any others until a tenth of
// maxAskers is free, but none in use. mu is held.
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

// ask waits for a place and calls question, unless the budget is spent before or after
// the wait.
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

// takePlaces waits for places among the concurrent questions, calls question, and takes
// an answer no off the budget.
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

// no takes one answer no off the budget.
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
