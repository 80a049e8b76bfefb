package engineio

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"chatbridge/internal/histogram"
)

// Handler is called for each session that opens.
type Handler interface {
	// Open returns the receiver of the session's messages. It runs before the
	// client has an answer; what it sends follows the handshake. r is the first
	// request, valid until it returns.
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

	goroutines  group
	limitLogged [NumReasons]atomic.Bool // by logLimit
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
		opts:      o,
		handler:   h,
		start:     time.Now(),
		admission: newAdmission(&o.Limits),
		sessions:  make(map[string]*Session),
		late:      make(map[string]*Session),
		counters:  counters{latency: histogram.New(latencyLayout)},
		upgrader: websocket.Upgrader{
			// The origin was checked before, with CORS.
			CheckOrigin:     func(*http.Request) bool { return true },
			WriteBufferPool: new(sync.Pool),
		},
	}
	s.limits.Store(&o.Limits)
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

// newSession returns a session of an admitted address.
func (s *Server) newSession(address netip.Addr) *Session {
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

// Go runs f on a goroutine that Shutdown waits for.
func (s *Server) Go(f func()) { s.goroutines.Go(f) }
