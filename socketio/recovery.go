package socketio

import (
	"container/list"
	"strconv"
	"strings"
	"sync"
	"time"

	"chatbridge/socketio/engineio"
)

// savedSession is what is kept of a socket whose client may come back.
type savedSession struct {
	namespace, sid, pid string
	data                any
	expires             time.Time
}

// newPID returns a private id: one that cannot be guessed, behind the time at which
// the session begins.
func newPID(now time.Time) string {
	return strconv.FormatInt(now.UnixMilli(), 36) + "." + engineio.NewID()
}

// SessionBegan returns when the session of a private id began, by the clock of the
// server that gave it, to the millisecond; zero if the text is none. It is what a
// client says, see [Socket.ClaimedPID].
func SessionBegan(pid string) time.Time {
	digits, _, ok := strings.Cut(pid, ".")
	ms, err := strconv.ParseInt(digits, 36, 64)
	if !ok || err != nil || ms < 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// recoverable tells whether a client that went for this reason may have its
// session back: not if it left, was told to leave, or broke a rule.
func recoverable(r Reason) bool {
	switch r {
	case engineio.ClientClose, engineio.TransportClose, engineio.TransportError, engineio.PingTimeout,
		engineio.WriteTimeout, engineio.QueuePackets, engineio.QueueBytes, engineio.ServerClose,
		engineio.Shed, engineio.Shutdown, engineio.Replaced, engineio.Panic:
		return true
	}
	return false
}

// sessionStore keeps sessions for a time, by their private id. All are kept for
// the same time, so the oldest expires first.
type sessionStore struct {
	keep  time.Duration
	limit int

	mu    sync.Mutex
	byPID map[string]*list.Element // of *savedSession
	order *list.List
}

func newSessionStore(r Recovery) *sessionStore {
	return &sessionStore{
		keep: r.MaxDisconnection, limit: r.MaxSessions,
		byPID: make(map[string]*list.Element), order: list.New(),
	}
}

// save keeps a session from now on.
func (st *sessionStore) save(s *savedSession) {
	st.mu.Lock()
	defer st.mu.Unlock()
	s.expires = time.Now().Add(st.keep)
	st.byPID[s.pid] = st.order.PushBack(s)
	st.prune()
}

// putBack keeps a session that was taken and not used; nil is a no-op, also on a
// nil store.
func (st *sessionStore) putBack(s *savedSession) {
	if s != nil {
		st.save(s)
	}
}

// take returns a session and forgets it: it is restored once.
func (st *sessionStore) take(namespace, pid string) *savedSession {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.prune()
	e := st.byPID[pid]
	if e == nil || e.Value.(*savedSession).namespace != namespace {
		return nil
	}
	st.drop(e)
	return e.Value.(*savedSession)
}

// prune drops what has expired or is too much. mu is held.
func (st *sessionStore) prune() {
	for e := st.order.Front(); e != nil; e = st.order.Front() {
		if st.order.Len() <= st.limit && time.Now().Before(e.Value.(*savedSession).expires) {
			return
		}
		st.drop(e)
	}
}

func (st *sessionStore) drop(e *list.Element) {
	st.order.Remove(e)
	delete(st.byPID, e.Value.(*savedSession).pid)
}

// len returns the number of kept sessions, zero on a nil store.
func (st *sessionStore) len() int {
	if st == nil {
		return 0
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	st.prune()
	return st.order.Len()
}

// restorable takes the session that a client asks for, if it may have it. A client
// may be back before its old connection is known to be dead; that one is ended then.
func (s *Server) restorable(n *Namespace, a admission) *savedSession {
	if s.sessions == nil || a.pid == "" {
		return nil
	}
	allowed := func(saved any) bool {
		validate := s.opts.Recovery.Validate
		return validate == nil || validate(a.data, saved, a.offset)
	}
	if old := n.withPID(a.pid); old != nil {
		if !allowed(old.data) {
			return nil
		}
		old.client.leave(old, engineio.Replaced) // saves its session
		old.session.CloseNow(engineio.Replaced)
		return s.sessions.take(n.name, a.pid)
	}
	saved := s.sessions.take(n.name, a.pid)
	if saved == nil || !allowed(saved.data) {
		return nil
	}
	return saved
}
