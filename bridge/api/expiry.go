package api

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"chatbridge/bridge/auth"
	"chatbridge/socketio"
	"chatbridge/socketio/engineio"
)

// reauthTimeout bounds the judging of a fresh token.
const reauthTimeout = 10 * time.Second

// expiry is the timer that ends a client after its token has expired.
type expiry struct {
	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
}

// set arms the timer for a token that expires at the given time, or disarms
// it where that is zero or grace is negative.
func (e *expiry) set(expires time.Time, grace time.Duration, end func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.timer != nil {
		e.timer.Stop()
		e.timer = nil
	}
	if !e.stopped && !expires.IsZero() && grace >= 0 {
		e.timer = time.AfterFunc(time.Until(expires.Add(grace)), end)
	}
}

func (e *expiry) stop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stopped = true
	if e.timer != nil {
		e.timer.Stop()
	}
}

// watchExpiry closes the transport when ExpiryGrace has passed after the token
// expired. The client comes back by itself; with the same token it is then
// refused, with a fresh one it goes on where it was.
func (s *Server) watchExpiry(c *client, socket *socketio.Socket, expires time.Time) {
	c.expiry.set(expires, s.opts.ExpiryGrace, func() {
		s.counters.tokenExpired()
		socket.Close(engineio.ServerClose)
	})
}

// reauthenticate takes a fresh token for a connected socket. The token must be of
// the same user and workspace: those of a socket never change.
func (s *Server) reauthenticate(c *client, socket *socketio.Socket, e *socketio.Event) *fault {
	var arg struct {
		Token string `json:"token"`
	}
	if len(e.Args) == 0 || json.Unmarshal(e.Args[0], &arg) != nil || arg.Token == "" {
		return badRequest("auth takes {token}")
	}
	ctx, cancel := context.WithTimeout(s.hub.Context(), reauthTimeout)
	defer cancel()
	p, err := s.auth.Authenticate(ctx, auth.Credentials{Token: arg.Token, Workspace: c.principal.Workspace})
	var refusal *auth.Refusal
	switch {
	case errors.As(err, &refusal):
		s.counters.tokenRefused(refusal.Code)
		return &fault{refusal.Code, refusal.Message}
	case err != nil:
		return &fault{"unavailable", "the token cannot be judged now; try again"}
	case p.Workspace != c.principal.Workspace || p.User != c.principal.User:
		return &fault{"other_principal", "the token is of another user or workspace; connect anew with it"}
	}
	c.session = s.sessionOf(p, arg.Token)
	s.watchExpiry(c, socket, p.Expires)
	return nil
}
