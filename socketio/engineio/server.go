package engineio

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// Handler is called for each session that opens.
type Handler interface {
	// Open returns the receiver of the session's messages. It runs before the
	// client has an answer; what it sends follows the handshake. r is the first
	// request and must not be kept.
	Open(s *Session, r *http.Request) Receiver
}

// Receiver gets what one client sends.
type Receiver interface {
	// Message is called for each message, in order, one at a time. data is valid
	// until it returns.
	Message(data []byte, binary bool)
	// Close is called once, after the session was closed, on a goroutine of its
	// own; a Message may still be running.
	Close(reason Reason)
}

// Server is an Engine.IO server, an http.Handler for one path.
type Server struct {
	opts     Options // Limits excepted: those are in limits
	limits   atomic.Pointer[Limits]
	handler  Handler
	start    time.Time
	upgrader websocket.Upgrader
	openTail [2]string // of the open packet, for polling and for WebSocket
	writers  []*writer
	next     atomic.Uint32 // the writer of the next session
	poller   *poller       // nil if not supported

	mu        sync.RWMutex
	sessions  map[string]*Session
	late      map[string]*Session // closed by their clients; a poll may still come
	stopped   bool
	admission admission

	goroutines group
	counters
}

// NewServer returns a server. The error says what is wrong with o.
func NewServer(o Options, h Handler) (*Server, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		opts:     o,
		handler:  h,
		start:    time.Now(),
		sessions: make(map[string]*Session),
		late:     make(map[string]*Session),
		upgrader: websocket.Upgrader{
			// The origin was checked before, with CORS.
			CheckOrigin:     func(*http.Request) bool { return true },
			WriteBufferPool: new(sync.Pool),
		},
	}
	s.limits.Store(&o.Limits)
	s.admission.perAddress = make(map[string]int)
	s.admission.handshakes.tokens = float64(o.HandshakesPerSecond)
	for i, upgrades := range []string{`["websocket"]`, `[]`} {
		s.openTail[i] = fmt.Sprintf(`","upgrades":%s,"pingInterval":%d,"pingTimeout":%d,"maxPayload":%d}`,
			upgrades, o.PingInterval.Milliseconds(), o.PingTimeout.Milliseconds(), o.MaxPayload)
	}
	for range runtime.GOMAXPROCS(0) {
		s.writers = append(s.writers, newWriter(s))
	}
	s.poller = newPoller(s)
	return s, nil
}

// now is the time on the server's own clock, which only goes forward.
func (s *Server) now() time.Duration { return time.Since(s.start) }

// ServeHTTP serves a request, whatever its path.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Body != http.NoBody {
		// A body must come in time.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.opts.PingTimeout))
	}
	if !s.allowOrigin(w, r) {
		s.refuse(w, r, ForbiddenOrigin)
		return
	}
	if isPreflight(r) {
		servePreflight(w, r)
		return
	}
	query, _ := url.ParseQuery(r.URL.RawQuery) // what can be parsed is enough
	upgrade := websocket.IsWebSocketUpgrade(r)
	transport := query.Get("transport")
	if transport != "websocket" && (transport != "polling" || s.opts.DisablePolling) {
		s.refuse(w, r, UnknownTransport)
		return
	}
	if sid := query.Get("sid"); sid != "" {
		s.resume(w, r, sid, upgrade, transport)
		return
	}
	switch {
	case r.Method != http.MethodGet:
		s.refuse(w, r, BadMethod)
	case (transport == "websocket") != upgrade:
		s.refuse(w, r, BadRequest)
	case query.Get("EIO") != "4":
		s.refuse(w, r, UnsupportedProtocol)
	default:
		s.handshake(w, r, upgrade)
	}
}

// resume serves a request that names a session.
func (s *Server) resume(w http.ResponseWriter, r *http.Request, sid string, upgrade bool, transport string) {
	session := s.session(sid)
	switch {
	case session == nil || session.closeIfPongLate():
		s.refuse(w, r, UnknownSession)
	case upgrade != (transport == "websocket"):
		s.refuse(w, r, BadRequest)
	case upgrade:
		session.serveUpgrade(w, r)
	case r.Method == http.MethodGet:
		session.servePoll(w, r)
	case r.Method == http.MethodPost:
		session.servePost(w, r)
	default:
		w.WriteHeader(http.StatusInternalServerError) // as Node's server does
	}
}

// handshake opens a session.
func (s *Server) handshake(w http.ResponseWriter, r *http.Request, upgrade bool) {
	address := s.address(r)
	if reason, ok := s.admission.admit(s.limits.Load(), address, s.now()); !ok {
		s.refuse(w, r, reason)
		return
	}
	session := s.newSession(address)
	if !upgrade {
		session.openPolling(w, r)
		return
	}
	ws, err := s.accept(w, r)
	if err != nil {
		s.refusals[BadRequest].Add(1)
		s.admission.release(address)
		return
	}
	session.openWebSocket(ws, r)
}

func (s *Server) address(r *http.Request) string {
	if s.opts.ClientAddress != nil {
		return s.opts.ClientAddress(r)
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

func (s *Server) newSession(address string) *Session {
	i := s.next.Add(1) % uint32(len(s.writers))
	return &Session{server: s, id: s.opts.SIDPrefix + NewID(), address: address, writer: s.writers[i], writeOwned: true}
}

// NewID returns 120 random bits as 20 characters that need no escape in JSON or
// URLs. Whoever knows the id of a polling session has its rights, so it must not
// be guessed.
func NewID() string {
	var b [15]byte
	_, _ = rand.Read(b[:]) // never fails, as documented
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// appendOpen appends the open packet.
func (s *Server) appendOpen(dst []byte, id string, webSocket bool) []byte {
	tail := s.openTail[0]
	if webSocket {
		tail = s.openTail[1]
	}
	return append(append(append(dst, `0{"sid":"`...), id...), tail...)
}

// register puts an opened session into the table; false means that the server
// has stopped meanwhile.
func (s *Server) register(session *Session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return false
	}
	s.sessions[session.id] = session
	return true
}

// session returns the session of an id, or nil.
func (s *Server) session(sid string) *Session {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if session := s.sessions[sid]; session != nil {
		return session
	}
	return s.late[sid]
}

// unregister takes a session out of the table.
func (s *Server) unregister(session *Session) {
	s.mu.Lock()
	delete(s.sessions, session.id)
	s.mu.Unlock()
}

// Len returns the number of open sessions.
func (s *Server) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.sessions)
}

// Knows reports whether sid is that of a session of this server, which serves its
// requests.
func (s *Server) Knows(sid string) bool { return s.session(sid) != nil }

// Pick returns up to n sessions chosen at random; all if n is negative.
func (s *Server) Pick(n int) []*Session {
	s.mu.RLock()
	all := make([]*Session, 0, len(s.sessions))
	for _, session := range s.sessions {
		all = append(all, session)
	}
	s.mu.RUnlock()
	mathrand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	if n >= 0 && n < len(all) {
		all = all[:n]
	}
	return all
}

// Go runs f on a goroutine that Shutdown waits for.
func (s *Server) Go(f func()) { s.goroutines.Go(f) }
