package sioclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"chatbridge/internal/retry"
)

// Client is one Socket.IO client. New makes it.
type Client struct {
	opts    Options
	address string

	// Only accessed from Run.
	pid, offset string

	mu   sync.Mutex
	conn *connection // nil while not connected
	acks map[uint64]chan []json.RawMessage
	next uint64
}

// New returns a Client, or what is wrong with the options.
func New(o Options) (*Client, error) {
	address, err := o.address()
	if err != nil {
		return nil, err
	}
	if o.Dialer == nil {
		o.Dialer = &websocket.Dialer{Proxy: http.ProxyFromEnvironment, HandshakeTimeout: 20 * time.Second}
	}
	if o.Backoff == (Backoff{}) {
		o.Backoff = DefaultBackoff()
	}
	return &Client{opts: o, address: address, acks: make(map[uint64]chan []json.RawMessage)}, nil
}

// Run connects, and again whenever the connection ends, until ctx ends (then
// it returns nil), the server refuses (*ConnectError, ErrDisconnected) or the
// attempts are used up (the last one's error). Call it once.
func (c *Client) Run(ctx context.Context) error {
	failures, backoff := 0, retry.Backoff{Min: c.opts.Backoff.Delay, Max: c.opts.Backoff.Most}
	for {
		joined, err := c.session(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if joined {
			failures = 0
			backoff.Reset()
		}
		pause, limit := backoff.Next(), c.opts.Backoff.Attempts
		if final(err) || limit > 0 && failures >= limit {
			pause = -1
		}
		failures++
		if c.opts.OnDisconnect != nil {
			c.opts.OnDisconnect(err, pause)
		}
		if pause < 0 {
			return err
		}
		if retry.Sleep(ctx, pause) != nil {
			return nil
		}
	}
}

// session is one connection from its handshake to its end.
func (c *Client) session(ctx context.Context) (joined bool, err error) {
	ws, res, err := c.opts.Dialer.DialContext(ctx, c.address, c.opts.Header)
	if err != nil {
		return false, refusedHandshake(err, res)
	}
	stop := context.AfterFunc(ctx, func() { _ = ws.Close() })
	defer stop()
	defer ws.Close()
	conn := &connection{ws: ws}
	defer c.leave(conn)
	for {
		p, attachments, err := conn.receive(c.opts.Namespace)
		if err != nil {
			return joined, err
		}
		if p == nil { // the open packet
			if err := conn.send(packet{kind: kindConnect, namespace: c.opts.Namespace, data: c.connectPayload()}); err != nil {
				return joined, err
			}
			continue
		}
		if p.kind == kindConnect {
			joined = true
		}
		if err := c.handle(conn, p, attachments); err != nil {
			return joined, err
		}
	}
}

// maxAnswer bounds what is read of an answer that is no upgrade, in bytes.
const maxAnswer = 4096

// refusedHandshake adds what the server said to an upgrade that failed.
func refusedHandshake(err error, res *http.Response) error {
	if res == nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxAnswer)) // it may be cut off
	return &HandshakeError{Status: res.StatusCode, Text: res.Status, Header: res.Header, Body: body}
}

func (c *Client) connectPayload() json.RawMessage {
	auth := maps.Clone(c.opts.Auth)
	if c.pid != "" && !c.opts.NoRecovery {
		if auth == nil {
			auth = map[string]any{}
		}
		auth["pid"], auth["offset"] = c.pid, c.offset
	}
	if auth == nil {
		return nil
	}
	b, err := json.Marshal(auth)
	if err != nil {
		return nil
	}
	return b
}

func (c *Client) handle(conn *connection, p *packet, attachments [][]byte) error {
	switch p.kind {
	case kindConnect:
		return c.joined(conn, p.data)
	case kindDisconnect:
		return ErrDisconnected
	case kindConnectError:
		var e struct {
			Message string          `json:"message"`
			Data    json.RawMessage `json:"data"`
		}
		if err := json.Unmarshal(p.data, &e); err != nil {
			return fmt.Errorf("%w: CONNECT_ERROR", errPacket)
		}
		return &ConnectError{Message: e.Message, Data: e.Data}
	case kindEvent, kindBinaryEvent:
		return c.event(p, attachments)
	case kindAck, kindBinaryAck:
		args, err := parseArgs(p.data)
		if err != nil {
			return err
		}
		c.acknowledged(p.id, args)
	}
	return nil
}

func (c *Client) joined(conn *connection, data json.RawMessage) error {
	var s struct{ SID, PID string }
	if err := json.Unmarshal(data, &s); err != nil || s.SID == "" {
		return fmt.Errorf("%w: CONNECT without sid", errPacket)
	}
	session := Session{ID: s.SID, PID: s.PID, Recovered: s.PID != "" && s.PID == c.pid}
	if !session.Recovered {
		c.offset = ""
	}
	c.pid = s.PID
	c.mu.Lock()
	c.conn = conn
	c.mu.Unlock()
	if c.opts.OnConnect != nil {
		c.opts.OnConnect(session)
	}
	return nil
}

func (c *Client) event(p *packet, attachments [][]byte) error {
	args, err := parseArgs(p.data)
	if err != nil {
		return err
	}
	e := Event{Attachments: attachments}
	if len(args) == 0 || json.Unmarshal(args[0], &e.Name) != nil {
		return fmt.Errorf("%w: event without a name", errPacket)
	}
	e.Args = args[1:]
	if c.opts.OnEvent != nil {
		c.opts.OnEvent(e)
	}
	// As socket.io-client: after the application has had the event.
	if c.pid != "" && len(e.Args) > 0 {
		var offset string
		if json.Unmarshal(e.Args[len(e.Args)-1], &offset) == nil {
			c.offset = offset
		}
	}
	return nil
}

func (c *Client) acknowledged(id uint64, args []json.RawMessage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if answer, waiting := c.acks[id]; waiting {
		delete(c.acks, id)
		answer <- args
	}
}

// leave forgets the connection; acknowledgements that were to come on it will
// not.
func (c *Client) leave(conn *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == conn {
		c.conn = nil
	}
	for id, answer := range c.acks {
		delete(c.acks, id)
		close(answer)
	}
}

// Emit sends an event. It returns ErrNotConnected while there is no
// connection; nothing is kept for later.
func (c *Client) Emit(name string, args ...any) error {
	_, _, err := c.emit(false, name, args)
	return err
}

// EmitAck sends an event and waits for its acknowledgement, ErrNotConnected
// where the connection ends before, or the end of ctx.
func (c *Client) EmitAck(ctx context.Context, name string, args ...any) ([]json.RawMessage, error) {
	answer, id, err := c.emit(true, name, args)
	if err != nil {
		return nil, err
	}
	select {
	case args, ok := <-answer:
		if !ok {
			return nil, ErrNotConnected
		}
		return args, nil
	case <-ctx.Done():
		c.mu.Lock()
		delete(c.acks, id)
		c.mu.Unlock()
		return nil, ctx.Err()
	}
}

func (c *Client) emit(withAck bool, name string, args []any) (chan []json.RawMessage, uint64, error) {
	data, err := json.Marshal(append([]any{name}, args...))
	if err != nil {
		return nil, 0, fmt.Errorf("encode event: %w", err)
	}
	p := packet{kind: kindEvent, namespace: c.opts.Namespace, data: data}
	c.mu.Lock()
	conn := c.conn
	if conn == nil {
		c.mu.Unlock()
		return nil, 0, ErrNotConnected
	}
	var answer chan []json.RawMessage
	if withAck {
		answer = make(chan []json.RawMessage, 1)
		p.id, p.hasID = c.next, true
		c.next++
		c.acks[p.id] = answer
	}
	c.mu.Unlock()
	if err := conn.send(p); err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrNotConnected, err)
	}
	return answer, p.id, nil
}

// isTimeout tells a read deadline from other errors.
func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}
