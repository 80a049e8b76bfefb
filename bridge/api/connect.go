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
	// session is what messages are sent with. Only the goroutine that handles the client's
	// events uses it.
	session send.Session
	// since is the Offset, as text, from which on it is given messages under ChatEngine's
	// ids, "" for never. owed is the text of Server.owedFrom.
	since, owed string
	// shared is its session as other bridges may resume it, nil without a cluster. found is
	// the stored session that it wants to resume.
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

// authenticate judges a CONNECT. A client that is refused for good gets a
// CONNECT_ERROR with a stable code. When no answer can be had for now the
// transport is closed instead, because after a CONNECT_ERROR the client would
// not try again.
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

// name makes the client be given messages under ChatEngine's ids from since on, the text
// of an Offset. It does nothing where since is no Offset.
func (c *client) name(since string) {
	o, err := hub.ParseOffset(since)
	if since == "" || err != nil || o.Commit.IsZero() {
		return
	}
	c.since = string(hub.AppendOffset(nil, o))
	end := o.Commit.Add(time.Millisecond - time.Microsecond) // the last µs of the Offset's ms
	c.Names = replay.Naming{Other: true, Since: o.Position, Created: end.UnixMicro()}
}

// tag returns what the client's private id ends with: what the next bridge that it
// connects to has to know of it.
func tag(data any) string { c := data.(*client); return c.since + "." + c.owed }

// owedFrom returns hub.OwedFrom for a client that connects with this private id and offset.
// For a client that comes from ChatEngine without an Offset, whose events have none, only
// Commit is set: since when the client lacks something. began reads that from the private id
// of the client's next session.
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

// OwedSince returns since when a client that connects with this private id and offset lacks
// something; zero without a private id, where it lacks nothing. Safe for concurrent use.
func (s *Server) OwedSince(pid, offset string) time.Time {
	if pid == "" {
		return time.Time{}
	}
	return s.owedFrom(pid, offset).Commit
}

// owedOf returns what tag wrote of owed into a private id, "" for nothing.
func owedOf(pid string) string {
	if gateway.OfUpstream(pid) {
		return ""
	}
	if parts := strings.Split(pid, "."); len(parts) == 4 {
		return parts[3]
	}
	return ""
}

// began returns when the session of a private id began; for a session at ChatEngine, whose
// events have no offset, since when the client may lack something.
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
	return o.Commit // it had come from ChatEngine, and may not have been caught up since
}

// unknown is gateway.Unknown as the Commit of an Offset, where zero means none.
var unknown = gateway.Unknown.Add(time.Millisecond)

// claimed returns the offset of a client, "" if its private id is of ChatEngine: what it
// received there is not covered by an offset.
func claimed(pid, offset string) string {
	if gateway.OfUpstream(pid) {
		return ""
	}
	return offset
}

// credentials collects what a client shows. The token is taken from the CONNECT
// payload, else from the Authorization header (for tools), else, where QueryToken is
// set, from the query; the workspace from the payload, else from the query.
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
// same workspace, with a valid offset or none. So another user who has learnt the private
// id does not use the session up.
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
