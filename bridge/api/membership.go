package api

import (
	"context"
	"sync"
	"time"

	"chatbridge/bridge/auth"
	"chatbridge/bridge/hub"
	"chatbridge/internal/retry"
	"chatbridge/socketio/engineio"
)

// Members tells who is still a member of a workspace. *auth.Authenticator is one. Its
// methods are called from two goroutines.
type Members interface {
	// DropMembers drops cached answers about these memberships; nil: about all.
	DropMembers(of []auth.Membership)
	// FormerMembers returns those of the memberships that have ended. An error means
	// that there is no answer.
	FormerMembers(ctx context.Context, of []auth.Membership) ([]auth.Membership, error)
}

const (
	// maxLeft bounds the reported memberships that wait; past it all are checked.
	maxLeft = 1000
	// settleMembers is how long after a change memberships are checked, and
	// checkAgain how long after that once more. Postgres sends a transaction to the
	// stream before queries see it, most often by less than a millisecond; and a
	// client whose token was judged before the change may not be connected yet.
	settleMembers = 50 * time.Millisecond
	checkAgain    = time.Second
	// The pauses between checks while they get no answer.
	checkMin, checkMax = time.Second, 30 * time.Second
)

// memberships are the reported changes that have not been handled yet.
type memberships struct {
	mu     sync.Mutex
	left   []auth.Membership
	joined []auth.Membership
	all    bool // all are to be checked: more than maxLeft, or unknown ones, have changed

	reported chan struct{} // of capacity 1: there are changes to take
	check    chan struct{} // of capacity 1: connected clients are to be checked
}

func newMemberships() memberships {
	return memberships{reported: make(chan struct{}, 1), check: make(chan struct{}, 1)}
}

// signal puts a token into a channel of capacity 1, unless there is one. It does not wait.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// MemberLeft ends the clients of a user who is not in the workspace any more, as if
// their token had expired: the transport is closed, and when the client comes back
// it is refused. Like the methods below it does not wait, and is safe for concurrent
// use.
func (s *Server) MemberLeft(user, workspace string) {
	s.members.report(func(m *memberships) { m.left = append(m.left, auth.Membership{User: user, Workspace: workspace}) })
}

// MemberJoined drops cached answers about a user, who may have been refused a moment ago.
func (s *Server) MemberJoined(user, workspace string) {
	s.members.report(func(m *memberships) { m.joined = append(m.joined, auth.Membership{User: user, Workspace: workspace}) })
}

// MembersChanged checks the memberships of all connected clients, and ends the clients
// whose user has left.
func (s *Server) MembersChanged() {
	s.members.report(func(m *memberships) { m.all = true })
}

func (m *memberships) report(add func(*memberships)) {
	m.mu.Lock()
	if add(m); len(m.left)+len(m.joined) > maxLeft {
		m.all = true
	}
	if m.all {
		m.left, m.joined = nil, nil
	}
	m.mu.Unlock()
	signal(m.reported)
}

// take returns what was reported since the last take.
func (m *memberships) take() (left, joined []auth.Membership, all bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	left, joined, all = m.left, m.joined, m.all
	m.left, m.joined, m.all = nil, nil, false
	return left, joined, all
}

// closeWhoLeft closes the clients of users who are reported to have left. It makes no query, so
// that it closes them at once.
func (s *Server) closeWhoLeft(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.members.reported:
		}
		left, joined, all := s.members.take()
		if all {
			s.opts.Members.DropMembers(nil)
		} else {
			s.opts.Members.DropMembers(append(joined, left...))
		}
		s.closeMembers(left)
		if all || len(left) > 0 {
			signal(s.members.check)
		}
	}
}

// checkMembers checks the connected clients' memberships after a change, every
// MembersInterval while changes are not reported (MembersFollowed), and once more when
// they are again.
func (s *Server) checkMembers(ctx context.Context) {
	tick := time.NewTicker(max(s.opts.MembersInterval, time.Second))
	defer tick.Stop()
	followed := s.opts.MembersFollowed
	if followed == nil {
		followed = func() bool { return false }
	}
	for was := false; ; {
		pauses := []time.Duration{0}
		select {
		case <-ctx.Done():
			return
		case <-s.members.check:
			pauses = []time.Duration{settleMembers, checkAgain}
		case <-tick.C:
			is := followed()
			if is && was {
				continue
			}
			was = is
		}
		for _, pause := range pauses {
			if retry.Sleep(ctx, pause) != nil || s.checkUntilAnswered(ctx) != nil {
				return
			}
		}
	}
}

// checkUntilAnswered repeats the check until there is an answer, and closes the clients of
// former members; its error is ctx's.
func (s *Server) checkUntilAnswered(ctx context.Context) error {
	backoff := retry.Backoff{Min: checkMin, Max: checkMax}
	for failing := false; ; failing = true {
		left, err := s.opts.Members.FormerMembers(ctx, s.connectedMembers())
		if err == nil {
			if failing {
				s.log.Info("the memberships of connected clients can be checked again")
			}
			s.closeMembers(left)
			if s.opts.Others != nil {
				for _, m := range left {
					s.opts.Others.Left(m.User, m.Workspace)
				}
			}
			return ctx.Err()
		}
		if ctx.Err() == nil && !failing {
			s.log.Warn("the memberships of connected clients cannot be checked; who was removed from a workspace stays connected meanwhile", "error", err)
		}
		if err := retry.Sleep(ctx, backoff.Next()); err != nil {
			return err
		}
	}
}

// connectedMembers returns the memberships that admitted the connected clients,
// each once.
func (s *Server) connectedMembers() []auth.Membership {
	seen := make(map[auth.Membership]bool)
	var of []auth.Membership
	for socket := range s.io.Namespace(hub.Namespace).Sockets() {
		c, ok := socket.Data().(*client)
		if !ok {
			continue
		}
		if m, ok := c.principal.Membership(); ok && !seen[m] {
			seen[m] = true
			of = append(of, m)
		}
	}
	return of
}

// closeMembers closes the transports of the clients that these memberships admitted.
// They come back by themselves and are then refused.
func (s *Server) closeMembers(left []auth.Membership) {
	if len(left) == 0 {
		return
	}
	gone := make(map[auth.Membership]bool, len(left))
	for _, m := range left {
		gone[m.Fold()] = true
	}
	n := 0
	for socket := range s.io.Namespace(hub.Namespace).Sockets() {
		c, ok := socket.Data().(*client)
		if !ok {
			continue
		}
		if m, ok := c.principal.Membership(); ok && gone[m.Fold()] {
			s.counters.memberLeft()
			socket.Close(engineio.ServerClose)
			n++
		}
	}
	if n > 0 {
		s.log.Info("closed clients whose user has left the workspace", "clients", n)
	}
}
