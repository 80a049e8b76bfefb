package clienttest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"chatbridge/internal/chromium"
	"chatbridge/internal/ports"
	"chatbridge/socketio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(browserStopper{m}) }

// browserStopper ends the shared browser after the tests.
type browserStopper struct{ *testing.M }

func (b browserStopper) Run() int {
	defer chromium.Stop()
	return b.M.Run()
}

// server is a Socket.IO server as a chat uses it: a token, a room per conversation,
// acknowledgements, recovery where the options enable it. It can go away and come
// back at the same address.
type server struct {
	t    *testing.T
	addr string
	opts socketio.Options

	*socketio.Server
	ns   *socketio.Namespace
	http *http.Server
	done chan struct{}

	// retry is set while OnAuth returns ErrRetry.
	retry atomic.Bool
	// sockets has each socket that connected.
	sockets chan *socketio.Socket

	// With recovery, log has all that was broadcast; the offset of an event is its
	// index. mu is held over a broadcast, and while a client that comes back joins
	// its rooms and is sent what it missed, so that each event reaches it once.
	mu  sync.Mutex
	log []broadcast
}

type broadcast struct {
	packet *socketio.Packet
	rooms  []string
}

// user is the data of a socket: its rooms, which a restored session gets back.
type user struct {
	rooms []string // guarded by server.mu
}

// testOptions heartbeat fast enough that a test sees it.
func testOptions() socketio.Options {
	o := socketio.DefaultOptions()
	o.Path = "/api/ws"
	o.PingInterval = 300 * time.Millisecond
	o.PingTimeout = 5 * time.Second
	o.CheckOrigin = func(origin string) bool { return true }
	return o
}

func startServer(t *testing.T, o socketio.Options) *server {
	t.Helper()
	s := &server{t: t, opts: o, sockets: make(chan *socketio.Socket, 100)}
	s.up()
	t.Cleanup(s.down)
	return s
}

func (s *server) url() string { return "http://" + s.addr }

// up starts it, at the address it had before, if any.
func (s *server) up() {
	s.t.Helper()
	s.opts.Recovery.Validate = s.restore
	server, err := socketio.New(s.opts)
	if err != nil {
		s.t.Fatal(err)
	}
	listen := func() (net.Listener, error) { return net.Listen("tcp", s.addr) }
	if s.addr == "" {
		listen = ports.Listen
	}
	ln, err := listen()
	if err != nil {
		s.t.Fatal(err)
	}
	s.addr = ln.Addr().String()
	s.Server, s.ns = server, server.Namespace("/")
	s.ns.OnAuth(s.auth)
	s.ns.OnConnect(func(socket *socketio.Socket) {
		s.join(socket)
		s.sockets <- socket
	})
	s.ns.OnEvent(s.event)
	s.http = &http.Server{Handler: server}
	done := make(chan struct{})
	s.done = done
	go func() {
		defer close(done)
		_ = s.http.Serve(ln)
	}()
}

// restore is Recovery.Validate.
func (s *server) restore(data, saved any, offset string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, err := strconv.Atoi(offset); err != nil || n >= len(s.log) {
		return false
	}
	data.(*user).rooms = saved.(*user).rooms
	return true
}

// join lets a socket into its rooms, and sends it what it missed.
func (s *server) join(socket *socketio.Socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rooms := append([]string{"workspace"}, socket.Data().(*user).rooms...)
	for _, room := range rooms {
		if err := socket.Join(room); err != nil {
			s.t.Error(err)
		}
	}
	if !socket.Recovered() {
		return
	}
	seen, _ := strconv.Atoi(socket.Offset()) // restore has checked it
	for _, b := range s.log[seen+1:] {
		if slices.ContainsFunc(b.rooms, func(room string) bool { return slices.Contains(rooms, room) }) {
			_ = socket.Send(b.packet)
		}
	}
}

// down ends it as a restart does: connections close, no packet says why.
func (s *server) down() {
	s.t.Helper()
	if s.http == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.t.Context()), 10*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx, socketio.ShutdownOptions{}); err != nil {
		s.t.Errorf("shut down: %v", err)
	}
	_ = s.http.Close()
	<-s.done
	s.http = nil
}

// auth lets the token "good" in.
func (s *server) auth(_ context.Context, h *socketio.Handshake) (any, error) {
	var auth struct{ Token string }
	if err := json.Unmarshal(h.Auth, &auth); err != nil {
		return nil, err
	}
	switch {
	case s.retry.Load():
		return nil, errors.Join(errors.New("key server is away"), socketio.ErrRetry)
	case auth.Token != "good":
		return nil, &socketio.ConnectError{Message: "invalid token", Data: map[string]string{"code": "token_invalid"}}
	}
	return &user{}, nil
}

// event answers what the clients of the tests send.
func (s *server) event(socket *socketio.Socket, e *socketio.Event) {
	ok := map[string]bool{"ok": true}
	switch e.Name {
	case "subscribe:conversation", "unsubscribe:conversation":
		var id string
		if err := json.Unmarshal(e.Args[0], &id); err != nil {
			s.t.Errorf("%s: %v", e.Name, err)
		}
		if e.Name == "subscribe:conversation" {
			_ = socket.Join(id)
			s.mu.Lock()
			u := socket.Data().(*user)
			u.rooms = append(u.rooms, id)
			s.mu.Unlock()
		} else {
			socket.Leave(id)
		}
		if e.HasAck() {
			_ = e.Ack(ok)
		}
	case "typing":
		s.ns.Broadcast(socketio.NewEvent("/", "typing", e.Args[0]), "workspace")
	case "binary":
		args := make([][]byte, len(e.Args))
		for i := range e.Args {
			args[i] = e.Args[i]
		}
		_ = socket.Send(socketio.NewBinaryEvent("/", "binary-back", e.Attachments, args...))
		if e.HasAck() {
			_ = e.AckBinary(e.Attachments, e.Args...)
		}
	case "echo":
		_ = e.Ack(toAny(e.Args)...)
	default:
		s.t.Errorf("unexpected event %s", e.Name)
	}
}

func toAny(args []json.RawMessage) []any {
	a := make([]any, len(args))
	for i := range args {
		a[i] = args[i]
	}
	return a
}

// socket is the next socket that connected.
func (s *server) socket() *socketio.Socket {
	s.t.Helper()
	select {
	case socket := <-s.sockets:
		return socket
	case <-time.After(30 * time.Second):
		s.t.Fatal("no socket connected")
		return nil
	}
}

// broadcast sends an event with a JSON argument to rooms.
func (s *server) broadcast(event string, arg any, rooms ...string) {
	s.t.Helper()
	b, err := json.Marshal(arg)
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	args := [][]byte{b}
	if s.opts.Recovery.Enabled {
		args = append(args, fmt.Appendf(nil, `"%d"`, len(s.log)))
	}
	p := socketio.NewEvent("/", event, args...)
	s.log = append(s.log, broadcast{p, rooms})
	s.ns.Broadcast(p, rooms...)
}
