package socketio

import (
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"chatbridge/socketio/engineio"
	"chatbridge/socketio/parser"
)

// client is one connection, with its sockets in the namespaces.
//
// Lock order: callbacks, mu, Namespace.mu, and the session's below them.
type client struct {
	server    *Server
	session   *engineio.Session
	handshake firstRequest
	decoder   parser.Decoder // of the receiving goroutine, one at a time

	// callbacks is held while a callback of the application runs for this client:
	// they come one at a time.
	callbacks sync.Mutex

	mu      sync.Mutex
	sockets []*Socket // one in almost all connections
	pending []string  // namespaces whose OnAuth hook is running
	refused int       // CONNECTs
	timer   *time.Timer
	closed  bool
}

// maxRefused is how many refused CONNECTs close the connection: each costs the check
// of a token, or a line of the log. Clients give up after the first.
const maxRefused = 3

func newClient(s *Server, session *engineio.Session, r *http.Request) *client {
	c := &client{
		server:    s,
		session:   session,
		handshake: newFirstRequest(r),
		decoder:   parser.Decoder{MaxAttachments: s.opts.MaxAttachments, MaxBytes: 2 * s.opts.MaxPayload},
	}
	c.timer = time.AfterFunc(s.opts.ConnectTimeout, func() { session.Close(engineio.ConnectTimeout) })
	return c
}

// Message implements [engineio.Receiver].
func (c *client) Message(data []byte, binary bool) {
	var (
		p           parser.Packet
		attachments [][]byte
		complete    bool
		err         error
	)
	if !c.expects(data, binary) {
		c.session.CloseNow(engineio.ParseError)
		return
	}
	if binary {
		p, attachments, complete, err = c.decoder.Binary(data)
	} else {
		p, complete, err = c.decoder.Text(data)
	}
	switch {
	case errors.Is(err, parser.ErrAttachments):
		c.session.CloseNow(engineio.TooManyAttachments)
	case err != nil:
		c.session.CloseNow(engineio.ParseError)
	case complete && !c.packet(p, attachments):
		c.session.CloseNow(engineio.ParseError)
	}
}

// expects reports whether the client may send such a packet now: a CONNECT alone
// while it is in no namespace, so that nothing else of it is parsed or kept.
func (c *client) expects(data []byte, binary bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.sockets) > 0 || !binary && parser.IsConnect(data)
}

// packet serves a packet; false means that it breaks the protocol.
func (c *client) packet(p parser.Packet, attachments [][]byte) bool {
	socket, pending := c.find(p.Namespace)
	if p.Type == parser.Connect {
		if socket != nil || pending { // one at a time is judged, and its payload kept
			return false
		}
		c.connect(p)
		return true
	}
	if socket == nil {
		return false
	}
	switch p.Type {
	case parser.Disconnect:
		c.disconnect(socket, engineio.ClientDisconnect)
		return true
	case parser.Event, parser.BinaryEvent:
		return c.event(socket, p, attachments)
	case parser.Ack, parser.BinaryAck:
		// The server asks for no acknowledgements: one is counted, and no error,
		// whatever it is for.
		c.server.acks.Add(1)
		return true
	}
	return false // clients send no CONNECT_ERROR
}

// find returns the socket in a namespace, or nil and whether its OnAuth hook runs.
func (c *client) find(namespace string) (s *Socket, pending bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.sockets {
		if s.namespace.name == namespace {
			return s, false
		}
	}
	return nil, slices.Contains(c.pending, namespace)
}

// event hands an event to the application.
func (c *client) event(s *Socket, p parser.Packet, attachments [][]byte) bool {
	e, ok := newEvent(s, p, attachments)
	if !ok {
		return false
	}
	c.server.events.Add(1)
	if f := s.namespace.onEvent; f != nil {
		c.call(func() {
			if !s.disconnected.Load() { // OnDisconnect is the last callback
				f(s, e)
			}
		})
	}
	return true
}

// call runs a callback of the application. Its panic closes this client's
// connection and does not end the process.
func (c *client) call(f func()) {
	c.callbacks.Lock()
	defer c.callbacks.Unlock()
	c.guard(f)
}

func (c *client) guard(f func()) {
	defer func() {
		if v := recover(); v != nil {
			c.server.opts.Logger.Error("socket.io callback panicked", slog.Any("panic", v),
				slog.String("stack", string(debug.Stack())))
			c.session.CloseNow(engineio.Panic)
		}
	}()
	f()
}

// Close implements [engineio.Receiver]: it disconnects the client's sockets.
func (c *client) Close(reason Reason) {
	c.mu.Lock()
	c.closed = true
	c.stopTimer()
	sockets := c.sockets
	c.sockets = nil
	c.mu.Unlock()
	for _, s := range sockets {
		s.namespace.remove(s, reason)
	}
	for _, s := range sockets {
		c.callOnDisconnect(s, reason)
	}
}

// stopTimer stops the connect time-out, and lets it be collected. mu is held.
func (c *client) stopTimer() {
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
}

// disconnect takes a socket out of its namespace; the connection stays open. Further
// calls do nothing.
func (c *client) disconnect(s *Socket, reason Reason) {
	c.mu.Lock()
	i := slices.Index(c.sockets, s)
	if i < 0 {
		c.mu.Unlock()
		return
	}
	c.sockets = slices.Delete(c.sockets, i, i+1)
	c.mu.Unlock()
	s.namespace.remove(s, reason)
	if reason == engineio.ClientDisconnect {
		c.callOnDisconnect(s, reason)
	} else {
		// The caller may be a callback, with callbacks locked.
		c.server.engine.Go(func() { c.callOnDisconnect(s, reason) })
	}
}

func (c *client) callOnDisconnect(s *Socket, reason Reason) {
	if f := s.namespace.onDisconnect; f != nil {
		c.call(func() { f(s, reason) })
	}
}
