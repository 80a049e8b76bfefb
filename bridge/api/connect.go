package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"chatbridge/bridge/access"
	"chatbridge/bridge/auth"
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
	// since is from when on it has ChatEngine's ids, "" for never.
	since string
}

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
	shown := s.credentials(h, payload.Token, payload.WorkspaceID)
	p, err := s.auth.Authenticate(ctx, shown)
	var refusal *auth.Refusal
	switch {
	case errors.As(err, &refusal):
		s.counters.tokenRefused(refusal.Code)
		s.log.Info("refused a client", "code", refusal.Code, "reason", refusal.Message, "remote", h.RemoteAddr)
		return nil, &socketio.ConnectError{Message: refusal.Message, Data: map[string]string{"code": refusal.Code}}
	case errors.Is(err, auth.ErrTooManyQuestions):
		s.counters.tokenRefused("unavailable")
		return nil, errors.Join(socketio.ErrRetry, err)
	case err != nil:
		s.counters.tokenRefused("unavailable")
		s.log.Warn("could not judge a client's token; it will come back", "error", err, "remote", h.RemoteAddr)
		return nil, errors.Join(socketio.ErrRetry, err)
	}
	feed := gateway.IsCatchUp(h.Header)
	if !feed && s.hub.Full(p.Workspace) {
		s.counters.tokenRefused("workspace_full")
		return nil, socketio.ErrRetry
	}
	c := &client{Client: &hub.Client{Workspace: p.Workspace, User: p.User, Feed: feed}, principal: p, session: s.sessionOf(p, shown.Token)}
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

// tag is what the client's private id ends with.
func tag(data any) string { return data.(*client).since }

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
	pid, offset := socket.ClaimedPID(), socket.Offset()
	if gateway.OfUpstream(pid) {
		offset = ""
	}
	s.hub.Attach(c.Client, socket, offset, socketio.SessionBegan(pid))
	s.watchExpiry(c, socket, c.principal.Expires)
	s.tellFailures(c, socket)
}

func (s *Server) disconnect(socket *socketio.Socket, _ engineio.Reason) {
	c := socket.Data().(*client)
	c.expiry.stop()
	s.hub.Detach(c.Client)
}
