package realtimedouble

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"chatbridge/internal/retry"

	"github.com/gorilla/websocket"
)

// conn is one client's connection. Its frames are dealt with one after the
// other, a join included, which blocks the connection as the real one does.
type conn struct {
	s      *Server
	id     int
	ws     *websocket.Conn
	v2     bool
	token  string
	claims claims
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	done   chan struct{}

	write sync.Mutex // one writer at a time
	// polite tells that a close frame was sent, which a reset could destroy.
	polite atomic.Bool

	mu       sync.Mutex
	channels map[string]*channel
}

func newConn(s *Server, ws *websocket.Conn, v2 bool, token string, cl claims) *conn {
	ctx, cancel := context.WithCancel(context.Background())
	return &conn{
		s: s, ws: ws, v2: v2, token: token, claims: cl, ctx: ctx, cancel: cancel,
		done: make(chan struct{}), channels: map[string]*channel{},
	}
}

// run serves the connection until it ends.
func (c *conn) run() {
	c.ws.SetReadLimit(5_000_000)
	for {
		_ = c.ws.SetReadDeadline(time.Now().Add(c.s.opts.IdleTimeout))
		kind, data, err := c.ws.ReadMessage()
		if err != nil {
			var ne net.Error
			if errors.As(err, &ne) && ne.Timeout() {
				c.closeWith(websocket.CloseNormalClosure, "")
			}
			break
		}
		if kind != websocket.TextMessage {
			continue
		}
		c.s.record(c, data)
		if f, ok := parseFrame(c.v2, data); ok && !c.s.script.isMuted() {
			c.handle(f)
		}
	}
	c.abort()
	c.mu.Lock()
	for _, ch := range c.channels {
		ch.cancel()
	}
	c.mu.Unlock()
	c.wg.Wait()
}

// abort ends the connection without a close frame.
func (c *conn) abort() {
	c.cancel()
	if tcp, ok := c.ws.UnderlyingConn().(*net.TCPConn); ok && !c.polite.Load() {
		_ = tcp.SetLinger(0)
	}
	_ = c.ws.Close()
}

// closeWith says goodbye; the peer's answer, or 2 s, ends the connection.
func (c *conn) closeWith(code int, text string) {
	c.polite.Store(true)
	_ = c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, text), time.Now().Add(time.Second))
	_ = c.ws.UnderlyingConn().SetReadDeadline(time.Now().Add(2 * time.Second))
}

// send writes one frame. A client that does not take it within 5 s is cut off.
func (c *conn) send(joinRef, ref json.RawMessage, topic, event, payload string) {
	c.sendRaw(serverFrame(c.v2, joinRef, ref, topic, event, payload))
}

func (c *conn) sendRaw(frame []byte) {
	if c.s.script.isMuted() {
		return
	}
	c.write.Lock()
	defer c.write.Unlock()
	_ = c.ws.SetWriteDeadline(time.Now().Add(5 * time.Second))
	if err := c.ws.WriteMessage(websocket.TextMessage, frame); err != nil {
		c.cancel()
	}
}

// handle deals with one frame of the client.
func (c *conn) handle(f clientFrame) {
	switch {
	case f.topic == "phoenix" && f.event == "heartbeat":
		c.send(nil, f.ref, "phoenix", "phx_reply", replyPayload("ok", "{}"))
		return
	case f.event == "phx_join" && strings.HasPrefix(f.topic, "realtime:"):
		c.join(f)
		return
	}
	ch := c.channel(f.topic)
	if ch == nil {
		if f.event == "phx_leave" {
			c.send(nil, f.ref, f.topic, "phx_reply", replyPayload("ok", "{}"))
			return
		}
		c.send(nil, f.ref, f.topic, "phx_reply", replyPayload("error", `{"reason":"unmatched topic"}`))
		return
	}
	switch f.event {
	case "phx_leave":
		c.send(f.joinRef, f.ref, f.topic, "phx_reply", replyPayload("ok", "{}"))
		ch.close("phx_close")
	case "access_token":
		ch.newToken(f.payload)
	}
}

func (c *conn) channel(topic string) *channel {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.channels[topic]
}

// join deals with phx_join. A channel that is already there is replaced: its
// phx_close comes after the new reply.
func (c *conn) join(f clientFrame) {
	name := strings.TrimPrefix(f.topic, "realtime:")
	sc := c.s.script.join(f.topic)
	if retry.Sleep(c.ctx, sc.Delay) != nil || sc.Never {
		return
	}
	fail := func(reason string) {
		if retry.Sleep(c.ctx, c.s.opts.JoinErrorDelay) == nil {
			c.send(f.joinRef, f.ref, f.topic, "phx_reply", replyPayload("error", `{"reason":`+quote(reason)+`}`))
		}
	}
	switch {
	case sc.Error != "":
		fail(sc.Error)
		return
	case name == "":
		fail("TopicNameRequired: You must provide a topic name")
		return
	}
	token := c.token
	if own, ok := ownToken(f.payload); ok {
		token = own
	}
	cl, terr := c.s.verify(token)
	if terr != nil {
		fail(terr.join)
		return
	}
	list, _ := bindings(f.payload)
	ch := newChannel(c, f, name, token, cl, list, sc)
	c.mu.Lock()
	old := c.channels[f.topic]
	c.channels[f.topic] = ch
	c.mu.Unlock()
	if old != nil {
		old.stop()
	}
	entries := make([]string, len(ch.bindings))
	for i, b := range ch.bindings {
		entries[i] = entryJSON(b.id, b.raw)
	}
	c.send(f.joinRef, f.ref, f.topic, "phx_reply",
		replyPayload("ok", `{"postgres_changes":[`+strings.Join(entries, ",")+`]}`))
	if old != nil {
		old.sayClosed("phx_close")
	}
	ch.start()
}

// ownToken is the token of a join or of an access_token push; false where the
// connection's own stays in force.
func ownToken(payload json.RawMessage) (string, bool) {
	var p struct {
		Token json.RawMessage `json:"access_token"`
	}
	if json.Unmarshal(payload, &p) != nil || len(p.Token) == 0 || bytes.Equal(p.Token, []byte("null")) {
		return "", false
	}
	var s string
	if json.Unmarshal(p.Token, &s) != nil || strings.HasPrefix(s, "sb_") {
		return "", false
	}
	return s, true
}
