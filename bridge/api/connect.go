package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"chatbridge/bridge/access"
	"chatbridge/bridge/auth"
	"chatbridge/bridge/cluster"
	"chatbridge/bridge/gateway"
	"chatbridge/bridge/hub"
	"chatbridge/bridge/replay"
	"chatbridge/bridge/send"
	"chatbridge/socketio"
	"chatbridge/socketio/engineio"
)

// client is a socket's data: who it is, and how the Hub feeds it.
type client struct {
	*hub.Client
	principal auth.Principal
	expiry    expiry
	// session is what messages are sent with. It belongs to the goroutine on which the
	// client's events come.
	session send.Session
	// since is from when on it has ChatEngine's ids, "" for never; owed is the text of
	// hub.OwedFrom.
	since, owed string
	// shared is the session that other bridges may resume, nil without a cluster. found is the
	// stored session that it asked for.
	shared *cluster.SharedSession
	found  found
	// address is where it came from, connected when.
	address   netip.Addr
	connected time.Time
}

// connectPayload is what a CONNECT shows.
type connectPayload struct {
	Token       string `json:"token"`
	WorkspaceID string `json:"workspaceId"`
}

// authenticate judges a CONNECT. Whoever is refused for good gets a
// CONNECT_ERROR with a stable code; when the answer cannot be had now the
// transport is closed instead, because a CONNECT_ERROR would stop the client
// for good.
func (s *Server) authenticate(ctx context.Context, h *socketio.Handshake) (any, error) {
	var payload connectPayload
	// A payload of another shape has no token, and is refused as such.
	_ = json.Unmarshal(h.Auth, &payload)
	shown := s.credentials(h, payload.Token, payload.WorkspaceID)
	p, err := s.auth.Authenticate(ctx, shown)
	var refusal *auth.Refusal
	switch {
	case errors.As(err, &refusal):
		s.counters.tokenRefused(refusal.Code)
		s.log.Info("refused a client", "code", refusal.Code, "reason", refusal.Message, "remote", h.RemoteAddr)
		return nil, &socketio.ConnectError{Message: refusal.Message, Data: map[string]string{"code": refusal.Code}}
	case errors.Is(err, auth.ErrTooManyQuestions):
		s.counters.tokenRefused(unavailable)
		return nil, errors.Join(socketio.ErrRetry, err)
	case err != nil:
		s.counters.tokenRefused(unavailable)
		s.log.Warn("could not judge a client's token; it will come back", "error", err, "remote", h.RemoteAddr)
		return nil, errors.Join(socketio.ErrRetry, err)
	}
	feed := gateway.IsCatchUp(h.Header)
	if !feed && s.hub.Full(p.Workspace) {
		s.counters.tokenRefused(workspaceFull)
		return nil, socketio.ErrRetry
	}
	c := &client{
		Client:    &hub.Client{Workspace: p.Workspace, User: p.User, Feed: feed, Owed: owedOf(h.PID)},
		principal: p, session: s.sessionOf(p, shown.Token),
		address: shown.Address, connected: time.Now(),
	}
	if s.opts.Elsewhere != nil && !feed {
		c.shared = cluster.NewSharedSession(s.opts.Elsewhere.Sessions, p.Workspace)
		s.findStored(ctx, c, h)
	}
	c.owed = string(hub.AppendOffset(nil, s.owedFrom(h.PID, h.Offset)))
	if s.opts.NameByClient {
		c.name(gateway.Since(h.Header, h.PID))
	}
	return c, nil
}

// name sets under which ids the client is given messages: under ChatEngine's from
// since on, the text of an Offset.
func (c *client) name(since string) {
	o, err := hub.ParseOffset(since)
	if since == "" || err != nil || o.Commit.IsZero() {
		return
	}
	c.since = string(hub.AppendOffset(nil, o))
	end := o.Commit.Add(time.Millisecond - time.Microsecond) // of the millisecond
	c.Names = replay.Naming{Other: true, Since: o.Position, Created: end.UnixMicro()}
}

// tag is what the client's private id ends with: what it is to bring along to
// whichever bridge it comes next.
func tag(data any) string { c := data.(*client); return c.since + "." + c.owed }

// owedFrom is hub.OwedFrom of who connects with this private id and offset. Where that is
// no offset, since what came from ChatEngine has none, Commit alone tells since when the
// client lacks something: began reads it.
func (s *Server) owedFrom(pid, offset string) hub.Offset {
	began := s.began(pid)
	o := s.hub.OwedFrom(claimed(pid, offset), began, owedOf(pid))
	if o.Position.IsZero() && o.Commit.IsZero() && !began.Equal(socketio.SessionBegan(pid)) {
		o.Commit = began
		if !began.After(gateway.Unknown) {
			o.Commit = unknown
		}
	}
	return o
}

// OwedSince returns since when a client lacks something that connects with this private id
// and offset; zero if it lacks nothing, because it has no private id. Safe for concurrent
// use.
func (s *Server) OwedSince(pid, offset string) time.Time {
	if pid == "" {
		return time.Time{}
	}
	return s.owedFrom(pid, offset).Commit
}

// owedOf returns the last part of what tag made, "" for none.
func owedOf(pid string) string {
	if gateway.OfUpstream(pid) {
		return ""
	}
	if parts := strings.Split(pid, "."); len(parts) == 4 {
		return parts[3]
	}
	return ""
}

// began is when the session of a private id began; of one that was had at ChatEngine, whose
// events say no offset, since when the client may lack something.
func (s *Server) began(pid string) time.Time {
	left := gateway.UpstreamSince
	if s.opts.LeftUpstreamSince != nil {
		left = s.opts.LeftUpstreamSince
	}
	if since := left(pid); !since.IsZero() {
		return since
	}
	began := socketio.SessionBegan(pid)
	o, err := hub.ParseOffset(owedOf(pid))
	switch {
	case err != nil || !o.Position.IsZero() || o.Commit.Before(unknown) || !o.Commit.Before(began):
		return began
	case o.Commit.Equal(unknown):
		return gateway.Unknown
	}
	return o.Commit // it had come from ChatEngine, and may have been cut before it had all
}

// unknown is gateway.Unknown as the Commit of an Offset, of which 0 is none.
var unknown = gateway.Unknown.Add(time.Millisecond)

// claimed is the offset that counts of those that came with a private id: what a page
// received at ChatEngine is no part of it.
func claimed(pid, offset string) string {
	if gateway.OfUpstream(pid) {
		return ""
	}
	return offset
}

// credentials collects what a client shows: the CONNECT payload first, for
// tools the Authorization header, and the query only where that is enabled.
func (s *Server) credentials(h *socketio.Handshake, token, workspace string) auth.Credentials {
	from := http.Request{RemoteAddr: h.RemoteAddr, Header: h.Header}
	c := auth.Credentials{Token: token, Workspace: workspace, Address: access.ClientAddr(&from, s.opts.Trusted)}
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

// Who judges a CONNECT's payload as the Server does, and returns whose it is. r is the
// request that opened its connection.
func (s *Server) Who(ctx context.Context, r *http.Request, connect []byte) (workspace, user string, err error) {
	var payload connectPayload
	_ = json.Unmarshal(connect, &payload) // of another shape it has no token
	h := &socketio.Handshake{Query: r.URL.Query(), Header: r.Header, RemoteAddr: r.RemoteAddr}
	p, err := s.auth.Authenticate(ctx, s.credentials(h, payload.Token, payload.WorkspaceID))
	return p.Workspace, p.User, err
}

// isOwner reports whether a client may ask for a saved session: the same user in the
// same workspace, with an offset that is one. Another who has learnt the session's id
// does not use it up.
func isOwner(data, saved any, offset string) bool {
	c, prior := data.(*client), saved.(*client)
	_, err := hub.ParseOffset(offset)
	return c.Workspace == prior.Workspace && c.User == prior.User && (offset == "" || err == nil)
}

func (s *Server) connect(socket *socketio.Socket) {
	c := socket.Data().(*client)
	socket.ForgetAuth() // it has been judged
	pid := socket.ClaimedPID()
	if c.shared != nil {
		c.found = found{}
		c.Settled = func() { s.settled(c, socket) }
	}
	s.hub.Attach(c.Client, socket, claimed(pid, socket.Offset()), s.began(pid))
	s.watchExpiry(c, socket, c.principal.Expires)
	s.tellFailures(c, socket)
}

func (s *Server) disconnect(socket *socketio.Socket, _ engineio.Reason) {
	c := socket.Data().(*client)
	c.expiry.stop()
	s.hub.Detach(c.Client)
}
