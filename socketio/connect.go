package socketio

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"time"

	"chatbridge/internal/jsonscan"
	"chatbridge/socketio/engineio"
	"chatbridge/socketio/parser"
)

// connect serves a CONNECT packet.
func (c *client) connect(p parser.Packet) {
	n := c.server.lookup(p.Namespace)
	if n == nil {
		c.refuse(p.Namespace, &ConnectError{Message: "Invalid namespace"})
		return
	}
	auth := json.RawMessage("{}")
	if len(p.Data) > 0 {
		auth = bytes.Clone(p.Data)
	}
	r := connectRequest{auth: auth}
	r.pid, r.offset = recoveryAuth(auth)
	if n.onAuth == nil {
		c.accept(n, r)
		return
	}
	c.mu.Lock()
	c.pending = append(c.pending, n.name)
	c.mu.Unlock()
	c.session.SetStanding(engineio.Pending)
	c.server.engine.Go(func() { c.authenticate(n, r) })
}

// connectRequest is what a client's CONNECT says, and the data that OnAuth returned
// for it.
type connectRequest struct {
	auth        json.RawMessage
	pid, offset string
	data        any
}

// maxRecovery bounds a pid and an offset, in bytes; longer ones count as absent. They
// are kept for as long as the socket is connected.
const maxRecovery = 256

// recoveryAuth returns the members of a CONNECT payload that ask for recovery.
func recoveryAuth(auth json.RawMessage) (pid, offset string) {
	if !bytes.Contains(auth, []byte(`"pid"`)) {
		return "", ""
	}
	for it := jsonscan.Iterate(auth); it.Next(); {
		switch { // values of other types than strings count as absent
		case jsonscan.KeyIs(it.Key, "pid"):
			pid = text(it.Value)
		case jsonscan.KeyIs(it.Key, "offset"):
			offset = text(it.Value)
		}
	}
	if len(pid) > maxRecovery || len(offset) > maxRecovery {
		return "", ""
	}
	return pid, offset
}

// text returns the text of a JSON string, and nothing for another value.
func text(value []byte) string {
	plain, _ := jsonscan.Unquote(nil, value)
	return string(plain)
}

// authenticate calls the OnAuth hook and does as it says.
func (c *client) authenticate(n *Namespace, r connectRequest) {
	h := c.handshake.handshake()
	h.Auth, h.PID, h.Offset = r.auth, r.pid, r.offset
	err := errPanicked
	c.guard(func() { r.data, err = n.onAuth(sessionContext{c.session}, h) })
	if err == nil {
		c.accept(n, r)
		return
	}
	c.mu.Lock()
	c.removePending(n.name)
	c.mu.Unlock()
	refused := (*ConnectError)(nil)
	switch {
	case errors.Is(err, errPanicked): // guard has closed the connection
	case errors.As(err, &refused):
		c.session.SetStanding(engineio.Anonymous)
		c.refuse(n.name, refused)
	default:
		c.server.authRetries.Add(1)
		if !errors.Is(err, ErrRetry) && !errors.Is(err, context.Canceled) {
			c.server.opts.Logger.Warn("judge client: it is sent away to come back", slog.Any("error", err))
		}
		c.session.Close(engineio.AuthRetry)
	}
}

// errPanicked is the error of a hook that panicked.
var errPanicked = errors.New("hook panicked")

// removePending removes a namespace from pending. mu is held.
func (c *client) removePending(namespace string) {
	if i := slices.Index(c.pending, namespace); i >= 0 {
		c.pending = slices.Delete(c.pending, i, i+1)
	}
}

// refuse refuses a CONNECT. The last one that is allowed closes the connection.
func (c *client) refuse(namespace string, e *ConnectError) {
	c.server.connectErrors.Add(1)
	data, err := e.payload()
	if err != nil {
		c.server.opts.Logger.Error("encode the data of a CONNECT_ERROR: it is left out", slog.Any("error", err))
		data, _ = (&ConnectError{Message: e.Message}).payload() // a string can be encoded
	}
	text := parser.Append(nil, parser.Packet{Type: parser.ConnectError, Namespace: namespace, Data: data})
	c.session.Send(engineio.NewMessage(text))
	c.mu.Lock()
	c.refused++
	last := c.refused >= maxRefused
	c.mu.Unlock()
	if last {
		c.session.Close(engineio.ConnectRefused)
	}
}

// accept connects a client to a namespace: it sends the CONNECT packet, calls
// OnConnect, and lets events through after that.
func (c *client) accept(n *Namespace, r connectRequest) {
	c.callbacks.Lock()
	defer c.callbacks.Unlock()
	saved := c.server.takeSession(n, r)

	c.mu.Lock()
	c.removePending(n.name)
	if c.closed || c.session.Closed() {
		c.mu.Unlock()
		c.server.sessions.putBack(saved)
		return
	}
	s := &Socket{client: c, namespace: n, session: c.session, data: r.data, auth: r.auth, claimed: r.pid, offset: r.offset}
	c.sockets = append(c.sockets, s)
	c.stopTimer()
	c.server.socketConnects.Add(1)                // before the client knows
	c.session.SetStanding(engineio.Authenticated) // before the answer, after which it may send more
	n.add(s, saved)
	c.mu.Unlock()

	if s.recovered {
		c.server.recovered.Add(1)
	} else if r.pid != "" {
		c.server.recoveryMissed.Add(1)
	}
	if n.onConnect != nil {
		c.guard(func() { n.onConnect(s) })
	}
}

// sessionContext is the context of OnAuth: it is cancelled when the session is
// closed.
type sessionContext struct{ session *engineio.Session }

func (c sessionContext) Deadline() (time.Time, bool) { return time.Time{}, false }
func (c sessionContext) Done() <-chan struct{}       { return c.session.Done() }
func (c sessionContext) Value(any) any               { return nil }

func (c sessionContext) Err() error {
	select {
	case <-c.session.Done():
		return context.Canceled
	default:
		return nil
	}
}
