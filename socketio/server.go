package socketio

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"chatbridge/socketio/engineio"
)

// Server is a Socket.IO server, an http.Handler.
type Server struct {
	opts     Options
	engine   *engineio.Server
	sessions *sessionStore // nil unless Recovery.Enabled

	mu         sync.RWMutex
	namespaces map[string]*Namespace

	counters
}

// counters are the live side of [Stats].
type counters struct {
	sockets                                    atomic.Int64
	socketConnects, connectErrors, authRetries atomic.Uint64
	events, acks                               atomic.Uint64
	broadcasts, broadcastTargets               atomic.Uint64
	recovered, recoveryMissed, joinsRefused    atomic.Uint64
}

// New returns a server; the error names what is wrong with o.
func New(o Options) (*Server, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Path = strings.TrimSuffix(o.Path, "/")
	s := &Server{opts: o, namespaces: make(map[string]*Namespace)}
	if o.Recovery.Enabled {
		s.sessions = newSessionStore(o.Recovery)
	}
	engine, err := engineio.NewServer(o.Options, (*opener)(s))
	if err != nil {
		return nil, err
	}
	s.engine = engine
	return s, nil
}

// ServeHTTP serves Options.Path, with and without a trailing slash. It never
// redirects: a WebSocket would not follow.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.TrimSuffix(r.URL.Path, "/") != s.opts.Path {
		http.NotFound(w, r)
		return
	}
	s.engine.ServeHTTP(w, r)
}

// Namespace returns the namespace of that name ("/", "/custom"), and creates it
// at the first call. A CONNECT to another is refused with "Invalid namespace". A missing leading slash is added.
func (s *Server) Namespace(name string) *Namespace {
	if !strings.HasPrefix(name, "/") {
		name = "/" + name
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.namespaces[name]
	if n == nil {
		n = newNamespace(s, name)
		s.namespaces[name] = n
	}
	return n
}

// lookup returns a namespace, or nil.
func (s *Server) lookup(name string) *Namespace {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.namespaces[name]
}

// ShutdownOptions paces [Server.Shutdown].
type ShutdownOptions struct {
	// Batch connections, chosen at random, are closed at a time. Zero or less
	// closes all at once.
	Batch int
	// Interval is the pause between batches.
	Interval time.Duration
}

// Shutdown refuses new handshakes with 503, closes the connections in batches
// without a DISCONNECT packet, so that the clients come back elsewhere, and
// waits for every goroutine of the server. When ctx ends first, the rest is
// closed at once and ctx's error is returned after that. Repeated
// calls wait for the same end.
func (s *Server) Shutdown(ctx context.Context, o ShutdownOptions) error {
	return s.engine.Shutdown(ctx, o.Batch, o.Interval)
}

// CloseSome closes up to n connections chosen at random, after what is queued for
// them was written, and returns how many; their clients come back by themselves.
func (s *Server) CloseSome(n int, reason Reason) int {
	picked := s.engine.Pick(max(n, 0))
	for _, session := range picked {
		session.Close(reason)
	}
	return len(picked)
}

// SetLimits changes the limits of a running server, for all connections. The error
// says what is wrong with l; the limits are as before then.
func (s *Server) SetLimits(l engineio.Limits) error { return s.engine.SetLimits(l) }

// Len returns the number of open connections.
func (s *Server) Len() int { return s.engine.Len() }

// Knows reports whether sid is the id of an open connection: the sid in the query of
// its requests, not a [Socket.ID].
func (s *Server) Knows(sid string) bool { return s.engine.Knows(sid) }

// Expects reports whether a request is one that a client needs: a handshake, which has
// limits of its own, or a poll of an open connection.
func (s *Server) Expects(r *http.Request) bool { return s.engine.Expects(r) }

// opener is the server as an [engineio.Handler].
type opener Server

// Open implements [engineio.Handler].
func (o *opener) Open(session *engineio.Session, r *http.Request) engineio.Receiver {
	return newClient((*Server)(o), session, r)
}
