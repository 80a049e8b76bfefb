package socketio

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"time"

	"chatbridge/socketio/engineio"
	"chatbridge/socketio/parser"
)

// connect serves a CONNECT packet.
func (c *client) connect(p parser.Packet) {
	n := c.server.lookup(p.Namespace)
	if n == nil {
		c.server.connectErrors.Add(1)
		c.sendError(p.Namespace, &ConnectError{Message: "Invalid namespace"})
		return
	}
	auth := json.RawMessage("{}")
	if len(p.Data) > 0 {
		auth = bytes.Clone(p.Data)
	}
	a := admission{auth: auth}
	a.pid, a.offset = recoveryAuth(auth)
	if n.onAuth == nil {
		c.admit(n, a)
		return
	}
	c.mu.Lock()
	c.judged = append(c.judged, n.name)
	c.mu.Unlock()
	c.server.engine.Go(func() { c.judge(n, a) })
}

// admission is a CONNECT on its way: what the client said, and what the hook
// returned.
type admission struct {
	auth        json.RawMessage
	pid, offset string
	data        any
}

// recoveryAuth returns the members of a CONNECT payload that ask for recovery.
func recoveryAuth(auth json.RawMessage) (pid, offset string) {
	if !bytes.Contains(auth, []byte(`"pid"`)) {
		return "", ""
	}
	var v struct{ PID, Offset any } // other types than strings count as absent
	if err := json.Unmarshal(auth, &v); err != nil {
		return "", ""
	}
	pid, _ = v.PID.(string)
	offset, _ = v.Offset.(string)
	return pid, offset
}

// judge asks the application whether a client may join.
func (c *client) judge(n *Namespace, a admission) {
	h := c.handshake.handshake()
	h.Auth, h.PID, h.Offset = a.auth, a.pid, a.offset
	err := errPanicked
	c.guard(func() { a.data, err = n.onAuth(sessionContext{c.session}, h) })
	if err == nil {
		c.admit(n, a)
		return
	}
	c.mu.Lock()
	c.unjudge(n.name)
	c.mu.Unlock()
	refused := (*ConnectError)(nil)
	switch {
	case errors.Is(err, errPanicked): // the transport is closed
	case errors.As(err, &refused):
		c.server.connectErrors.Add(1)
		c.sendError(n.name, refused)
	default:
		c.server.authRetries.Add(1)
		if !errors.Is(err, ErrRetry) && !errors.Is(err, context.Canceled) {
			c.server.opts.Logger.Warn("judge client: it is sent away to come back", slog.Any("error", err))
		}
		c.session.Close(engineio.AuthRetry)
	}
}

// errPanicked stands for the result of a hook that had none.
var errPanicked = errors.New("hook panicked")

// unjudge takes a namespace off the list. mu is held.
func (c *client) unjudge(namespace string) {
	if i := slices.Index(c.judged, namespace); i >= 0 {
		c.judged = slices.Delete(c.judged, i, i+1)
	}
}

// sendError refuses a CONNECT.
func (c *client) sendError(namespace string, e *ConnectError) {
	data, err := e.payload()
	if err != nil {
		c.server.opts.Logger.Error("encode the data of a CONNECT_ERROR: it is left out", slog.Any("error", err))
		data, _ = (&ConnectError{Message: e.Message}).payload() // a string can be encoded
	}
	text := parser.Append(nil, parser.Packet{Type: parser.ConnectError, Namespace: namespace, Data: data})
	c.session.Send(engineio.NewMessage(text))
}

// admit lets a client into a namespace: the CONNECT packet, then OnConnect, then
// whatever comes.
func (c *client) admit(n *Namespace, a admission) {
	c.callbacks.Lock()
	defer c.callbacks.Unlock()
	saved := c.server.restorable(n, a)

	c.mu.Lock()
	c.unjudge(n.name)
	if c.closed || c.session.Closed() {
		c.mu.Unlock()
		c.server.sessions.putBack(saved)
		return
	}
	s := &Socket{client: c, namespace: n, session: c.session, data: a.data, auth: a.auth, offset: a.offset}
	c.sockets = append(c.sockets, s)
	c.stopTimer()
	n.add(s, saved)
	c.mu.Unlock()

	c.server.socketConnects.Add(1)
	if s.recovered {
		c.server.recovered.Add(1)
	} else if a.pid != "" {
		c.server.recoveryMissed.Add(1)
	}
	if n.onConnect != nil {
		c.guard(func() { n.onConnect(s) })
	}
}

// sessionContext is a context that ends with a session, for hooks that outlive no
// connection.
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
