package socketio

import (
	"container/list"
	"strconv"
	"strings"
	"sync"
	"time"

	"chatbridge/socketio/engineio"
)

// savedSession is what is saved of a socket whose client may come back.
type savedSession struct {
	namespace, sid, pid string
	data                any
	expires             time.Time
	// elsewhere: it is of another server, and nothing of it is saved here.
	elsewhere bool
}

// newPID returns a private id: the time at which the session begins, and random
// bits that cannot be guessed.
func newPID(now time.Time) string {
	return strconv.FormatInt(now.UnixMilli(), 36) + "." + engineio.NewID()
}

// SessionBegan returns when the session of a private id began, by the clock of the
// server that gave it, in whole milliseconds; the zero time if pid is none. A pid
// comes from the client and may be invented, see [Socket.ClaimedPID].
func SessionBegan(pid string) time.Time {
	digits, _, ok := strings.Cut(pid, ".")
	ms, err := strconv.ParseInt(digits, 36, 64)
	if !ok || err != nil || ms < 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// recoverable reports whether a session that ended for this reason may be restored:
// not if one side disconnected on purpose, or the client broke a rule.
func recoverable(r Reason) bool {
	switch r {
	case engineio.ClientClose, engineio.TransportClose, engineio.TransportError, engineio.PingTimeout,
		engineio.WriteTimeout, engineio.QueuePackets, engineio.QueueBytes, engineio.ServerClose,
		engineio.Shed, engineio.Shutdown, engineio.Replaced, engineio.Panic:
		return true
	}
	return false
}

// sessionStore saves sessions by their private id, all for the same time, so that
// the oldest expires first.
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

// save saves a session; its time begins now.
func (st *sessionStore) save(s *savedSession) {
	st.mu.Lock()
	defer st.mu.Unlock()
	s.expires = time.Now().Add(st.keep)
	st.byPID[s.pid] = st.order.PushBack(s)
	st.prune()
}

// putBack saves a session that was taken and not used; nil is a no-op, also on a
// nil store.
func (st *sessionStore) putBack(s *savedSession) {
	if s != nil && !s.elsewhere {
		st.save(s)
	}
}

// take removes a session and returns it, or nil: a session is restored once.
func (st *sessionStore) take(namespace, pid string) *savedSession {
	st.mu.Lock()
	defer st.mu.Unlock()
	saved := st.get(namespace, pid)
	if saved != nil {
		st.drop(st.byPID[pid])
	}
	return saved
}

// find returns a session, or nil, and leaves it.
func (st *sessionStore) find(namespace, pid string) *savedSession {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.get(namespace, pid)
}

// get returns a session, or nil. mu is held.
func (st *sessionStore) get(namespace, pid string) *savedSession {
	st.prune()
	e := st.byPID[pid]
	if e == nil || e.Value.(*savedSession).namespace != namespace {
		return nil
	}
	return e.Value.(*savedSession)
}

// prune removes what has expired or is past the limit. mu is held.
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

// len returns the number of saved sessions, zero on a nil store.
func (st *sessionStore) len() int {
	if st == nil {
		return 0
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	st.prune()
	return st.order.Len()
}

// takeSession takes the session that a CONNECT asks for, or returns nil.
func (s *Server) takeSession(n *Namespace, r connectRequest) *savedSession {
	if s.sessions == nil || r.pid == "" {
		return nil
	}
	if saved := s.takeOwn(n, r); saved != nil || s.opts.Recovery.Elsewhere == nil {
		return saved
	}
	id, ok := s.opts.Recovery.Elsewhere(r.data, r.pid, r.offset)
	if !ok {
		return nil
	}
	if old := n.withPID(r.pid); old != nil {
		old.client.disconnect(old, engineio.Replaced)
		old.session.CloseNow(engineio.Replaced)
	}
	s.sessions.take(n.name, r.pid)
	return &savedSession{namespace: n.name, sid: id, pid: r.pid, elsewhere: true}
}

// takeOwn takes a session of this server. A client may come back before its old
// connection is known to be dead, which is closed then.
func (s *Server) takeOwn(n *Namespace, r connectRequest) *savedSession {
	asked := func(hook func(data, saved any, offset string) bool, saved any) bool {
		return hook == nil || hook(r.data, saved, r.offset)
	}
	owner, validate := s.opts.Recovery.Owner, s.opts.Recovery.Validate
	if old := n.withPID(r.pid); old != nil {
		if !asked(owner, old.data) || !asked(validate, old.data) {
			return nil
		}
		old.client.disconnect(old, engineio.Replaced) // saves its session
		old.session.CloseNow(engineio.Replaced)
		return s.sessions.take(n.name, r.pid)
	}
	if saved := s.sessions.find(n.name, r.pid); saved == nil || !asked(owner, saved.data) {
		return nil
	}
	saved := s.sessions.take(n.name, r.pid)
	if saved == nil || !asked(validate, saved.data) {
		return nil
	}
	return saved
}
