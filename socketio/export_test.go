package socketio

import "time"

// SessionStore lets tests keep sessions without clients.
type SessionStore struct{ store *sessionStore }

func NewSessionStore(keep time.Duration, limit int) SessionStore {
	return SessionStore{newSessionStore(Recovery{MaxDisconnection: keep, MaxSessions: limit})}
}

func (s SessionStore) Save(namespace, pid string) {
	s.store.save(&savedSession{namespace: namespace, pid: pid})
}

func (s SessionStore) Take(namespace, pid string) bool { return s.store.take(namespace, pid) != nil }
func (s SessionStore) Len() int                        { return s.store.len() }
