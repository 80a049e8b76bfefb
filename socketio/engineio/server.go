package engineio

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log/slog"
	rand2 "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// Handler is told of each session that opens.
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
	// Close is called once, after the session has ended, on a goroutine of its
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
	poller   *poller       // nil where there is none

	mu        sync.RWMutex
	sessions  map[string]*Session
	stopped   bool
	admission admission

	goroutines group
	counters
}

// counters are the live side of [Stats].
type counters struct {
	polling, webSocket    atomic.Int64
	connects, upgrades    atomic.Uint64
	closes, refusals      [NumReasons]atomic.Uint64
	packetsIn, bytesIn    atomic.Uint64
	packetsOut, bytesOut  atomic.Uint64
	writes, stalls        atomic.Uint64
	queueHigh, latencySum atomic.Int64
	latency               [NumLatencyBuckets + 1]atomic.Uint64
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
		upgrader: websocket.Upgrader{
			// The origin was judged before, with CORS.
			CheckOrigin:       func(*http.Request) bool { return true },
			WriteBufferPool:   new(sync.Pool),
			EnableCompression: o.Compression,
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
		s.writers = append(s.writers, &writer{server: s})
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
	s.mu.RLock()
	session := s.sessions[sid]
	s.mu.RUnlock()
	switch {
	case session == nil || session.expire():
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
	return &Session{server: s, id: s.opts.SIDPrefix + NewID(), address: address, writer: s.writers[i], held: true}
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

// forget takes a session out of the table.
func (s *Server) forget(session *Session) {
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

// Knows reports whether sid is that of an open session.
func (s *Server) Knows(sid string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.sessions[sid] != nil
}

// Pick returns up to n sessions chosen at random; all if n is negative.
func (s *Server) Pick(n int) []*Session {
	s.mu.RLock()
	all := make([]*Session, 0, len(s.sessions))
	for _, session := range s.sessions {
		all = append(all, session)
	}
	s.mu.RUnlock()
	rand2.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	if n >= 0 && n < len(all) {
		all = all[:n]
	}
	return all
}

// Shutdown refuses new handshakes, closes the sessions in random batches with
// the given pause between them (a batch of zero is all at once), each after its
// queue is written, and waits for every goroutine of the server. When ctx ends
// first, the rest is cut off, and ctx's error returned.
func (s *Server) Shutdown(ctx context.Context, batch int, pause time.Duration) error {
	s.admission.close()
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	if batch <= 0 {
		batch = -1
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		for _, session := range s.Pick(-1) {
			session.Abort(Shutdown)
		}
		close(ended)
	})
	for ctx.Err() == nil {
		left := s.Pick(-1)
		if len(left) == 0 {
			break
		}
		if batch > 0 && batch < len(left) {
			left = left[:batch]
		}
		for _, session := range left {
			session.Close(Shutdown)
		}
		s.await(ctx, left, pause)
	}
	if !stop() {
		<-ended
	}
	s.poller.close()
	s.goroutines.wait()
	return ctx.Err()
}

// await waits until the sessions of a batch have ended, and the pause is over.
func (s *Server) await(ctx context.Context, batch []*Session, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for _, session := range batch {
		select {
		case <-session.Done():
		case <-ctx.Done():
			return
		}
	}
	if s.Len() == 0 {
		return
	}
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Go runs f on a goroutine that Shutdown waits for.
func (s *Server) Go(f func()) { s.goroutines.run(f) }

// Stats returns a snapshot of the counters.
func (s *Server) Stats() Stats {
	packets, bytes := s.queued()
	st := Stats{
		QueuedPackets: packets, QueuedBytes: bytes,
		Polling: s.polling.Load(), WebSocket: s.webSocket.Load(),
		Connects: s.connects.Load(), Upgrades: s.upgrades.Load(),
		PacketsIn: s.packetsIn.Load(), BytesIn: s.bytesIn.Load(),
		PacketsOut: s.packetsOut.Load(), BytesOut: s.bytesOut.Load(),
		Writes: s.writes.Load(), Stalls: s.stalls.Load(),
		QueueHigh: s.queueHigh.Load(), LatencySum: time.Duration(s.latencySum.Load()),
	}
	for i := range NumReasons {
		st.Closes[i], st.Refusals[i] = s.closes[i].Load(), s.refusals[i].Load()
	}
	for i := range st.Latency {
		st.Latency[i] = s.latency[i].Load()
	}
	return st
}

// queued adds up what waits in all sessions.
func (s *Server) queued() (packets, bytes int64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, session := range s.sessions {
		session.mu.Lock()
		packets += int64(session.depth)
		bytes += int64(session.size)
		session.mu.Unlock()
	}
	return packets, bytes
}
