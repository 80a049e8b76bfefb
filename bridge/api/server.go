package api

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"chatbridge/bridge/access"
	"chatbridge/bridge/auth"
	"chatbridge/bridge/hub"
	"chatbridge/bridge/send"
	"chatbridge/socketio"
)

// Authenticator judges a token. A *auth.Refusal is for good; any other error means that
// there is no answer for now. It is called from many goroutines.
type Authenticator interface {
	Authenticate(ctx context.Context, c auth.Credentials) (auth.Principal, error)
}

// Others are the other bridges of a cluster. Its methods do not wait, and are called from
// many goroutines; what they pass on may be lost.
type Others interface {
	// Typing passes a typing notice on to the workspace's clients there, see Server.Typing.
	Typing(workspace string, payload []byte)
	// Left tells that a user was found not to be in a workspace any more, see
	// Server.MemberLeft.
	Left(user, workspace string)
}

// SourceState is the state of the source of changes that admission depends on. Its methods
// are called from many goroutines.
type SourceState interface {
	// Standby reports whether another bridge follows the database, and serves.
	Standby() bool
	// CaughtUp reports whether what was committed until now has been published.
	CaughtUp() bool
	// Hearing returns whether the bridge hears the leader of its cluster.
	Hearing() Hearing
}

// Hearing is the connection of a bridge of a cluster to its leader, which sends the changes.
type Hearing uint8

const (
	// Heard: the leader is heard, or the bridge needs none.
	Heard Hearing = iota
	// Awaited: no bridge leads for the moment. One will soon: new sessions wait for it.
	Awaited
	// Unheard: no leader has been heard for too long: new sessions are refused, so that they
	// go to a bridge that hears one.
	Unheard
)

// Options configures a Server.
type Options struct {
	// SocketIO configures the Socket.IO server. New sets Recovery.Enabled, Owner, Validate,
	// Tag and, with Elsewhere, Recovery.Elsewhere; OnQueueFull, ClientAddress and, with
	// Origins, CheckOrigin.
	SocketIO socketio.Options
	Hub      hub.Options
	// Origins are the browsers' origins that are admitted; nil leaves that to
	// SocketIO.CheckOrigin.
	Origins *access.Origins
	// Allowed are the addresses of the clients that are admitted; empty admits
	// all. Trusted are the proxies whose X-Forwarded-For tells a client's address.
	Allowed, Trusted access.Addresses
	// RequestsPerAddress is how many requests that neither open a session nor belong to
	// one each address (IPv6: each /64) may have answered in a second, also all at once;
	// 0 for no limit. SetRequestsPerAddress changes it.
	RequestsPerAddress int
	// ExpiryGrace is how long after its token has expired a client is
	// disconnected; below zero it never is, as in ChatEngine.
	ExpiryGrace time.Duration
	// QueryToken also takes the token from the query parameter `token`.
	QueryToken bool
	// Members checks the memberships of clients that are connected; nil where
	// nobody is admitted by one.
	Members Members
	// MembersFollowed tells whether all changes of memberships are reported to
	// MemberLeft and MembersChanged as they are committed; nil for never. While they
	// are not, the clients' memberships are checked every MembersInterval, at least
	// a second.
	MembersFollowed func() bool
	MembersInterval time.Duration
	// Conversations judges clients' typing notices; nil lets all pass. If it is a Written,
	// ConversationID asks it.
	Conversations Conversations
	// Others passes on what clients of other bridges have to be told; nil for none.
	Others Others
	// Elsewhere lets clients resume their sessions of this bridge at another one, and those
	// of another one here; nil without a cluster.
	Elsewhere *Elsewhere
	// Sender sends what clients write; nil refuses all of it.
	Sender Sender
	// NameByClient gives clients that have been at ChatEngine messages under its ids,
	// see gateway.Since.
	NameByClient bool
	// LeftUpstreamSince returns since when a client may lack what ChatEngine sent, by its
	// private id, see Gateway.LeftUpstreamSince; nil is gateway.UpstreamSince.
	LeftUpstreamSince func(pid string) time.Time
	// Source is asked before a session begins; nil counts as caught up.
	Source SourceState
	Logger *slog.Logger
}

// Server is the contract's /api/ws: the Socket.IO server with the bridge's
// admission, authentication and requests, and the Hub that feeds its clients.
type Server struct {
	opts     Options
	auth     Authenticator
	io       *socketio.Server
	hub      *hub.Hub
	log      *slog.Logger
	origins  originCheck
	warmup   warmup
	counters counters
	logged   logOnce
	members  memberships
	typings  *typingJudge
	ids      conversationIDs
	requests access.Shares
	sendings sendings
	keepAll  chan struct{} // of capacity 1: see KeepAll
}

// New returns a Server; Run must run while it serves.
func New(opts Options, a Authenticator) (*Server, error) {
	if opts.Source == nil {
		opts.Source = alwaysCaughtUp{}
	}
	if opts.Sender == nil {
		opts.Sender = send.New(send.Options{})
	}
	s := &Server{
		opts: opts, auth: a, log: opts.Logger, typings: newTypingJudge(opts.Conversations),
		warmup:  warmup{source: opts.Source, over: make(chan struct{})},
		members: newMemberships(),
		logged:  logOnce{log: opts.Logger},
		keepAll: make(chan struct{}, 1),
	}
	s.SetRequestsPerAddress(opts.RequestsPerAddress)
	o := opts.SocketIO
	if opts.Origins != nil {
		s.SetOrigins(opts.Origins)
		o.CheckOrigin = s.checkOrigin
	}
	o.ClientAddress = func(r *http.Request) netip.Addr { return access.ClientAddr(r, opts.Trusted) }
	o.Recovery.Enabled = true
	o.Recovery.Owner = isOwner
	o.Recovery.Tag = tag
	o.Recovery.Validate = func(data, saved any, offset string) bool {
		return s.resumeOwn(data.(*client), saved.(*client), offset)
	}
	if opts.Elsewhere != nil {
		o.Recovery.Elsewhere = func(data any, pid, offset string) (string, bool) {
			return s.resumeElsewhere(data.(*client), pid, offset)
		}
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
	ns := io.Namespace(hub.Namespace)
	s.hub = hub.New(ns, opts.Hub)
	ns.OnAuth(s.authenticate)
	ns.OnConnect(s.connect)
	ns.OnDisconnect(s.disconnect)
	ns.OnEvent(s.handle)
	return s, nil
}

// Run runs the Hub, opens the Server to new sessions once the log is filled, and
// closes the clients while the bridge is on standby, and those whose user has left
// the workspace. It returns nil when ctx ends.
func (s *Server) Run(ctx context.Context) error {
	var parts sync.WaitGroup
	defer s.sendings.end()
	defer parts.Wait()
	parts.Go(func() { s.warmup.run(ctx) })
	parts.Go(func() { s.drainOnStandby(ctx) })
	if s.opts.Elsewhere != nil {
		parts.Go(func() { s.refreshShared(ctx) })
	}
	if s.opts.Members != nil {
		parts.Go(func() { s.closeWhoLeft(ctx) })
		parts.Go(func() { s.checkMembers(ctx) })
	}
	return s.hub.Run(ctx)
}

// Hub returns the Hub that feeds the Server's clients.
func (s *Server) Hub() *hub.Hub { return s.hub }

// SocketIO returns the Socket.IO server, without the admission that Handler
// puts before it.
func (s *Server) SocketIO() *socketio.Server { return s.io }

// alwaysCaughtUp is the SourceState of a Server that was given none.
type alwaysCaughtUp struct{}

func (alwaysCaughtUp) Standby() bool  { return false }
func (alwaysCaughtUp) CaughtUp() bool { return true }

func (alwaysCaughtUp) Hearing() Hearing { return Heard }
