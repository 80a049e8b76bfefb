package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"chatbridge/bridge/auth"
	"chatbridge/bridge/gateway"
	"chatbridge/bridge/hub"
	"chatbridge/socketio"
	"chatbridge/socketio/engineio"
)

// Authenticator judges a token. *auth.Refusal means for good, any other error
// that the answer could not be had.
type Authenticator interface {
	Authenticate(ctx context.Context, c auth.Credentials) (auth.Principal, error)
}

// ServerOptions configures a Server.
type ServerOptions struct {
	SocketIO socketio.Options
	Hub      hub.Options
	// Disconnect ends a client this long after its token has expired; below
	// zero it is kept, as ChatEngine does.
	ExpiryGrace time.Duration
	// QueryToken also takes the token from the query parameter `token`.
	QueryToken bool
	Logger     *slog.Logger
}

// Server is the contract's /api/ws: the Socket.IO server with the bridge's
// authentication, events and Hub behind it.
type Server struct {
	opts ServerOptions
	auth Authenticator
	io   *socketio.Server
	hub  *hub.Hub
	log  *slog.Logger

	mu       sync.Mutex
	refusals map[string]uint64 // by code
	faults   map[string]uint64 // of clients' events, by code
	expired  atomic.Uint64
}

// NewServer returns a Server; Hub().Run must run while it serves.
func NewServer(opts ServerOptions, a Authenticator) (*Server, error) {
	s := &Server{
		opts: opts, auth: a, log: opts.Logger,
		refusals: make(map[string]uint64), faults: make(map[string]uint64),
	}
	o := opts.SocketIO
	o.Recovery.Enabled = true
	o.Recovery.Validate = func(data, saved any, offset string) bool {
		return s.hub.Resume(data.(*client).Client, saved.(*client).Client, offset)
	}
	o.OnQueueFull = func(socket *socketio.Socket, p *socketio.Packet) bool {
		c, ok := socket.Data().(*client)
		return ok && s.hub.QueueFull(c.Client, p)
	}
	io, err := socketio.New(o)
	if err != nil {
		return nil, err
	}
	s.io = io
	ns := io.Namespace(Namespace)
	s.hub = hub.New(ns, opts.Hub)
	ns.OnAuth(s.authenticate)
	ns.OnConnect(s.connect)
	ns.OnDisconnect(s.disconnect)
	ns.OnEvent(s.handle)
	return s, nil
}

// Hub returns the Hub that feeds the Server's clients.
func (s *Server) Hub() *hub.Hub { return s.hub }

// IO returns the Socket.IO server, the http.Handler of the contract's path.
func (s *Server) IO() *socketio.Server { return s.io }

// authenticate judges a CONNECT. Whoever is refused for good gets a
// CONNECT_ERROR with a stable code; when the answer cannot be had now the
// transport is closed instead, because a CONNECT_ERROR would stop the client
// for good.
func (s *Server) authenticate(ctx context.Context, h *socketio.Handshake) (any, error) {
	var payload struct {
		Token       string `json:"token"`
		WorkspaceID string `json:"workspaceId"`
	}
	// A payload of another shape has no token, and is refused as such.
	_ = json.Unmarshal(h.Auth, &payload)
	p, err := s.auth.Authenticate(ctx, s.credentials(h, payload.Token, payload.WorkspaceID))
	var refusal *auth.Refusal
	switch {
	case errors.As(err, &refusal):
		s.tally(s.refusals, refusal.Code)
		s.log.Info("refused a client", "code", refusal.Code, "reason", refusal.Message, "remote", h.RemoteAddr)
		return nil, &socketio.ConnectError{Message: refusal.Message, Data: map[string]string{"code": refusal.Code}}
	case err != nil:
		s.tally(s.refusals, "unavailable")
		s.log.Warn("could not judge a client's token; it will come back", "error", err, "remote", h.RemoteAddr)
		return nil, errors.Join(socketio.ErrRetry, err)
	}
	c := newClient(p)
	c.Feed = h.Header.Get(gateway.CatchUpHeader) != ""
	return c, nil
}

// Shed closes the transports of up to n clients chosen at random, so that they
// come back elsewhere, and returns how many. The gateway's own feeds are no
// clients.
func (s *Server) Shed(n int) int {
	var sockets []*socketio.Socket
	for socket := range s.io.Namespace(Namespace).Sockets() {
		if c, ok := socket.Data().(*client); ok && !c.Feed {
			sockets = append(sockets, socket)
		}
	}
	rand.Shuffle(len(sockets), func(i, j int) { sockets[i], sockets[j] = sockets[j], sockets[i] })
	sockets = sockets[:min(n, len(sockets))]
	for _, socket := range sockets {
		socket.Close(engineio.Shed)
	}
	return len(sockets)
}

// credentials collects what a client shows: the CONNECT payload first, for
// tools the Authorization header, and the query only where that is enabled.
func (s *Server) credentials(h *socketio.Handshake, token, workspace string) auth.Credentials {
	c := auth.Credentials{Token: token, Workspace: workspace}
	if c.Token == "" {
		c.Token = auth.Bearer(h.Header)
	}
	if c.Token == "" && s.opts.QueryToken {
		c.Token = h.Query.Get("token")
	}
	if c.Workspace == "" {
		c.Workspace = h.Query.Get("workspaceId")
	}
	return c
}

func (s *Server) connect(socket *socketio.Socket) {
	c := socket.Data().(*client)
	s.hub.Attach(c.Client, socket, socket.Offset(), socketio.SessionBegan(socket.ClaimedPID()))
	s.watchExpiry(c, socket, c.principal.Expires)
}

func (s *Server) disconnect(socket *socketio.Socket, _ engineio.Reason) {
	c := socket.Data().(*client)
	c.expiry.stop()
	s.hub.Detach(c.Client)
}

func (s *Server) tally(counts map[string]uint64, code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts[code]++
}

// refused returns copies of the counts of refused tokens and refused events,
// by code.
func (s *Server) refused() (tokens, events map[string]uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.refusals), maps.Clone(s.faults)
}
