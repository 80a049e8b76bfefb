package realtimedouble

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"chatbridge/internal/ports"
)

// Options configures a Server.
type Options struct {
	// Database is a superuser's connection string of the database to follow.
	Database string
	// Secret signs tokens. Default: random.
	Secret []byte
	// Tenant, if set, is the first label that the Host must have.
	Tenant string
	// Publication is the followed publication. Default supabase_realtime.
	Publication string
	// Slot is the name of the temporary slot. Default: random, since names are
	// the cluster's.
	Slot string
	// Poll is the wait between two polls of the slot. The real server's is
	// 500 ms when idle. Default 10 ms.
	Poll time.Duration
	// ConnectErrorDelay and JoinErrorDelay are what the real server waits
	// before it refuses: 2 s and 5 s. Default 0.
	ConnectErrorDelay, JoinErrorDelay time.Duration
	// ColdStart is the wait before the slot is made for the first subscriber:
	// really 1.6 to 3 s. Default 0.
	ColdStart time.Duration
	// TokenDelay is the wait before a subscription is confirmed anew after a
	// new token: really 1 to 3 s. Default 0.
	TokenDelay time.Duration
	// IdleTimeout closes a connection that sends nothing. Default 60 s.
	IdleTimeout time.Duration
	// MaxRecord is the WAL JSON size past which a row is cut. Default 1 MiB.
	MaxRecord int
	// SecretKey and PublishableKey, if set, are keys of the new kind, which the
	// project's gateway takes: it puts a token of its own in their place, of the roles
	// service_role and anon, good for GatewayTTL. Default of that: 24 h.
	SecretKey, PublishableKey string
	GatewayTTL                time.Duration
	// Rest, if set, is served under /rest/v1, as the project's gateway does.
	Rest http.Handler
}

// Server is a running double.
type Server struct {
	opts Options
	addr string

	follow *follower
	script script

	mu     sync.Mutex
	conns  map[*conn]struct{}
	http   *http.Server // nil while down
	serve  *sync.WaitGroup
	frames []Frame
}

// Frame is a text frame that a client sent.
type Frame struct {
	Conn int
	Raw  string
}

// Start runs a double on a free port of the loopback address.
func Start(o Options) (*Server, error) {
	if o.Publication == "" {
		o.Publication = "supabase_realtime"
	}
	if o.Slot == "" {
		o.Slot = "supabase_realtime_replication_slot_" + strings.ToLower(rand.Text()[:10])
	}
	if o.Poll <= 0 {
		o.Poll = 10 * time.Millisecond
	}
	if o.IdleTimeout <= 0 {
		o.IdleTimeout = time.Minute
	}
	if o.MaxRecord <= 0 {
		o.MaxRecord = 1 << 20
	}
	if o.Secret == nil {
		o.Secret = []byte(rand.Text())
	}
	s := &Server{opts: o, conns: map[*conn]struct{}{}}
	s.follow = newFollower(s)
	if err := s.StartAgain(); err != nil {
		return nil, err
	}
	return s, nil
}

// URL is the project's address: Realtime is below it at /realtime/v1.
func (s *Server) URL() string { return "http://" + s.addr }

// StartAgain listens again after Kill or Terminate, on the same port.
func (s *Server) StartAgain() error {
	listen := func() (net.Listener, error) { return net.Listen("tcp", s.addr) }
	if s.addr == "" {
		listen = ports.Listen
	}
	ln, err := listen()
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	s.addr = ln.Addr().String()
	mux := http.NewServeMux()
	mux.HandleFunc("/realtime/v1/websocket", s.handshake)
	mux.HandleFunc("/socket/websocket", s.handshake)
	if s.opts.Rest != nil {
		mux.Handle("/rest/v1/", http.StripPrefix("/rest/v1", s.gateway(s.opts.Rest)))
	}
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	wg := &sync.WaitGroup{}
	wg.Go(func() { _ = srv.Serve(ln) })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.http, s.serve = srv, wg
	return nil
}

// Kill drops everything at once, as SIGKILL does: connections are reset, the
// slot is gone.
func (s *Server) Kill() { s.down(0) }

// Terminate closes the connections with 1012 first, as a deploy does.
func (s *Server) Terminate() { s.down(websocket.CloseServiceRestart) }

// Close ends the server and all that belongs to it.
func (s *Server) Close() { s.down(0) }

func (s *Server) down(code int) {
	s.mu.Lock()
	srv, wg := s.http, s.serve
	s.http = nil
	conns := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	if srv == nil {
		return
	}
	for _, c := range conns {
		if code != 0 {
			c.closeWith(code, "")
		} else {
			c.abort()
		}
	}
	_ = srv.Close()
	wg.Wait()
	for _, c := range conns {
		<-c.done
	}
	s.follow.stop()
}

// Frames returns the frames that clients have sent so far.
func (s *Server) Frames() []Frame {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Frame(nil), s.frames...)
}

var upgrader = websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}

// handshake admits a connection or refuses it as the real server does.
func (s *Server) handshake(w http.ResponseWriter, r *http.Request) {
	if status, body, ok := s.script.refusal(); ok {
		refuse(w, status, body)
		return
	}
	vsn := r.URL.Query().Get("vsn")
	if vsn != "" && vsn != "1.0.0" && vsn != "2.0.0" {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	delayed := func(status int, text string) {
		select {
		case <-r.Context().Done():
		case <-time.After(s.opts.ConnectErrorDelay):
			refuse(w, status, `{"error":`+quote(text)+`}`)
		}
	}
	if label, _, _ := strings.Cut(r.Host, "."); s.opts.Tenant != "" && label != s.opts.Tenant {
		delayed(http.StatusNotFound, "Tenant not found")
		return
	}
	token := r.Header.Get("x-api-key")
	if token == "" {
		if !r.URL.Query().Has("apikey") {
			delayed(http.StatusUnauthorized, "API key is missing")
			return
		}
		token = r.URL.Query().Get("apikey")
	}
	token = s.minted(token)
	cl, terr := s.verify(token)
	if terr != nil {
		delayed(terr.status, terr.connect)
		return
	}
	ws, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	c := newConn(s, ws, vsn == "2.0.0", token, cl)
	s.mu.Lock()
	up := s.http != nil
	if up {
		s.conns[c] = struct{}{}
		c.id = s.script.nextConn()
	}
	s.mu.Unlock()
	if !up {
		_ = ws.Close()
		return
	}
	c.run()
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	close(c.done)
}

func refuse(w http.ResponseWriter, status int, body string) {
	if body != "" {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

// each calls fn for every open connection.
func (s *Server) each(fn func(*conn)) {
	s.mu.Lock()
	conns := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	for _, c := range conns {
		fn(c)
	}
}

func (s *Server) record(c *conn, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frames = append(s.frames, Frame{Conn: c.id, Raw: string(data)})
}

var errNotList = errors.New("postgres_changes is not a list")

// bindings reads config.postgres_changes. Anything but a list counts as
// empty.
func bindings(payload json.RawMessage) ([]map[string]json.RawMessage, error) {
	var p struct {
		Config struct {
			Changes json.RawMessage `json:"postgres_changes"`
		} `json:"config"`
	}
	if err := json.Unmarshal(payload, &p); err != nil {
		return nil, err
	}
	var list []map[string]json.RawMessage
	if json.Unmarshal(p.Config.Changes, &list) != nil {
		return nil, errNotList
	}
	return list, nil
}
