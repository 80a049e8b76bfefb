package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chatbridge/socketio"
	"chatbridge/socketio/engineio"
	"chatbridge/socketio/internal/rawclient"
)

func TestConnect(t *testing.T) {
	f := newFixture(t, nil)
	c, s, got := f.connect(`{"token":"abc"}`)
	if got.SID != s.ID() || got.PID != "" || s.PID() != "" || len(got.SID) != 20 {
		t.Errorf("ids %+v, socket %s %s", got, s.ID(), s.PID())
	}
	h := s.Handshake()
	if string(h.Auth) != `{"token":"abc"}` || h.Query.Get("EIO") != "4" || h.RemoteAddr != c.Conn.LocalAddr().String() {
		t.Errorf("handshake %+v", h)
	}
	if s.Transport() != "websocket" || s.Recovered() || s.Data() != nil || s.Namespace() != f.ns {
		t.Errorf("socket %v", s)
	}
	if st := f.server.Stats(); st.Sockets != 1 || st.SocketConnects != 1 {
		t.Errorf("stats %+v", st)
	}
}

func TestPathWithAndWithoutSlash(t *testing.T) {
	f := newFixture(t, nil)
	base := strings.TrimSuffix(f.url, "/api/ws/")
	for path, want := range map[string]int{"/api/ws": 200, "/api/ws/": 200, "/api/ws/x": 404, "/": 404, "/api/wsx": 404} {
		if r := rawclient.Do(t, "GET", base+path+"?EIO=4&transport=polling", ""); r.Status != want {
			t.Errorf("%s: status %d, want %d", path, r.Status, want)
		}
	}
}

func TestHandshakeHeader(t *testing.T) {
	f := newFixture(t, nil)
	c := rawclient.Dial(t, f.url+"?EIO=4&transport=websocket&workspaceId=w%201", "X-Test", "one", "X-Test", "two", "Cookie", "a=b; c=d")
	c.Next()
	c.Send("40")
	h := f.next().Handshake()
	if diff := cmp.Diff([]string{"one", "two"}, h.Header.Values("X-Test")); diff != "" {
		t.Error(diff)
	}
	if h.Header.Get("Cookie") != "a=b; c=d" || h.Header.Get("Host") == "" || h.Query.Get("workspaceId") != "w 1" {
		t.Errorf("handshake %+v", h)
	}
	if string(h.Auth) != "{}" {
		t.Errorf("auth %s, want {} where there is none", h.Auth)
	}
}

func TestNamespaces(t *testing.T) {
	f := newFixture(t, nil)
	custom := f.server.Namespace("custom")
	if custom != f.server.Namespace("/custom") || custom.Name() != "/custom" {
		t.Fatal("a namespace has two names")
	}
	for _, ns := range []*socketio.Namespace{f.ns, custom} {
		ns.OnConnect(func(s *socketio.Socket) { _ = s.Emit("auth", s.Handshake().Auth) })
		ns.OnEvent(func(s *socketio.Socket, e *socketio.Event) { _ = s.Emit("message-back", e.Args[0]) })
	}
	c := f.dial()
	c.Send("40/random")
	c.Want(`44/random,{"message":"Invalid namespace"}`)
	c.Send(`40/custom,{"token":"abc"}`)
	c.WantPrefix(`40/custom,{"sid":"`)
	c.Want(`42/custom,["auth",{"token":"abc"}]`)
	c.Send("40")
	c.WantPrefix(`40{"sid":"`)
	c.Want(`42["auth",{}]`)
	c.Send(`42/custom,["message","a"]`, `42["message","b"]`)
	c.Want(`42/custom,["message-back","a"]`, `42["message-back","b"]`)
	c.Send("41/custom") // without the comma
	c.Send(`42["message","c"]`)
	c.Want(`42["message-back","c"]`)
	c.Send("40/custom") // and back
	c.WantPrefix(`40/custom,{"sid":"`)
}

func TestClientDisconnects(t *testing.T) {
	f := newFixture(t, nil)
	c, s, _ := f.connect("")
	if err := s.Join("room"); err != nil {
		t.Fatal(err)
	}
	c.Send("41")
	if got := f.wantEnd(engineio.ClientDisconnect); got != s || len(s.Rooms()) != 0 {
		t.Errorf("socket %v, rooms %v", got, s.Rooms())
	}
	<-s.Done()
	if err := s.Emit("x"); !errors.Is(err, socketio.ErrClosed) {
		t.Errorf("emit: %v", err)
	}
	if err := s.Join("room"); !errors.Is(err, socketio.ErrClosed) {
		t.Errorf("join: %v", err)
	}
	c.Send("40") // the transport is open
	f.wantConnect(c)
}

func TestServerDisconnects(t *testing.T) {
	f := newFixture(t, nil)
	f.ns.OnEvent(func(s *socketio.Socket, _ *socketio.Event) { s.Disconnect(); s.Disconnect() })
	c, s, _ := f.connect("")
	c.Send(`42["leave"]`)
	c.Want("41")
	if f.wantEnd(engineio.ServerDisconnect) != s {
		t.Error("another socket")
	}
	c.Send("40")
	f.wantConnect(c)
}

func TestCloseSendsNoPacket(t *testing.T) {
	f := newFixture(t, nil)
	c, s, _ := f.connect("")
	_ = s.Emit("last")
	s.Close(engineio.Shed)
	c.Want(`42["last"]`)
	c.WantClosed()
	f.wantEnd(engineio.Shed)
}

// A client that is in no namespace may send a CONNECT and nothing else; an event does
// not wait for its attachments.
func TestPacketsBeforeConnect(t *testing.T) {
	f := newFixture(t, nil)
	for i, packet := range []string{`451-["x",{"_placeholder":true,"num":0}]`, `42["x"]`, "41", "431[]", "4"} {
		c := f.dial()
		c.Send(packet)
		c.WantClosed()
		f.awaitCloses(engineio.ParseError, uint64(i+1))
	}
}

func TestAuth(t *testing.T) {
	f := newFixture(t, nil)
	type user struct{ name string }
	f.ns.OnAuth(func(_ context.Context, h *socketio.Handshake) (any, error) {
		switch string(h.Auth) {
		case `{"token":"good"}`:
			return &user{"u"}, nil
		case `{"token":"bad"}`:
			return nil, &socketio.ConnectError{Message: "no <token>", Data: map[string]string{"code": "bad"}}
		case `{"token":"odd"}`:
			return nil, &socketio.ConnectError{Message: "odd", Data: make(chan int)}
		case `{}`:
			return nil, fmt.Errorf("find user: %w", &socketio.ConnectError{Message: "none"})
		case `{"token":"panic"}`:
			panic("in the hook")
		case `{"token":"later"}`:
			return nil, fmt.Errorf("ask the database: %w", socketio.ErrRetry)
		}
		return nil, errors.New("some fault")
	})
	c := f.dial()
	c.Send(`40{"token":"bad"}`)
	c.Want(`44{"message":"no <token>","data":{"code":"bad"}}`)
	c.Send("40")
	c.Want(`44{"message":"none"}`)
	c.Send(`40{"token":"odd"}`)
	c.Want(`44{"message":"odd"}`)
	c.WantClosed() // the third
	f.awaitCloses(engineio.ConnectRefused, 1)
	c = f.dial()
	c.Send(`40{"token":"good"}`)
	f.wantConnect(c)
	if u, ok := f.next().Data().(*user); !ok || u.name != "u" {
		t.Error("the hook's data is lost")
	}
	// After ErrRetry the client gets no packet, and so comes back.
	for _, token := range []string{"later", "other", "panic"} {
		c := f.dial()
		c.Send(`40{"token":"` + token + `"}`)
		c.WantClosed()
	}
	f.awaitCloses(engineio.AuthRetry, 2)
	f.awaitCloses(engineio.Panic, 1)
	if st := f.server.Stats(); st.ConnectErrors != 3 || st.AuthRetries != 2 || st.SocketConnects != 1 {
		t.Errorf("stats %+v", st)
	}
}

// The context of the hook is cancelled when its client has gone, and the client's other packets do not
// wait for it.
func TestAuthIsCancelled(t *testing.T) {
	f := newFixture(t, nil)
	judging, cancelled := make(chan struct{}), make(chan error, 1)
	f.ns.OnAuth(func(ctx context.Context, _ *socketio.Handshake) (any, error) {
		close(judging)
		ctx, cancel := context.WithTimeout(ctx, rawclient.Timeout)
		defer cancel()
		<-ctx.Done()
		cancelled <- ctx.Err()
		return nil, nil
	})
	custom := f.server.Namespace("/custom")
	custom.OnEvent(func(_ *socketio.Socket, e *socketio.Event) { _ = e.Ack() })
	c := f.dial()
	c.Send("40")
	<-judging
	c.Send("40/custom,", `42/custom,7["x"]`)
	c.WantPrefix("40/custom,")
	c.Want("43/custom,7[]")
	_ = c.Conn.Close()
	if err := <-cancelled; !errors.Is(err, context.Canceled) {
		t.Errorf("the hook's context: %v", err)
	}
	if f.ns.Len() != 0 {
		t.Error("a client that had gone was let in")
	}
}

func TestConnectTimeout(t *testing.T) {
	f := newFixture(t, func(o *socketio.Options) { o.ConnectTimeout = 50 * time.Millisecond })
	c, _, _ := f.connect("")
	idle := f.dial()
	idle.WantClosed()
	f.awaitCloses(engineio.ConnectTimeout, 1)
	c.Send("41")
	f.wantEnd(engineio.ClientDisconnect) // not for the time-out
}

// What breaks the protocol closes the transport, before and after CONNECT.
func TestMalformed(t *testing.T) {
	for _, packet := range []string{
		"4abc", "4", "49", "42{}", `42["x"`, `42[]`, "42", `42abc["x"]`, `42["connect"]`, `42["disconnecting"]`,
		`42[{"a":1}]`, `42[null]`, `42/custom,["x"]`, "40", `40"x"`, "40[]", "41{}", `44{"message":"x"}`,
		`431{}`, `45["x"]`, `450-["x"]`, `451["x"]`, `451-{}`, `4599999999999999999999-["x"]`,
		`451-["x",{"_placeholder":true,"num":1}]`, `451-["x",{"_placeholder":true,"num":-1}]`,
		`451-["x",[{"a":{"_placeholder":true,"num":0.5}}]]`, `42999999999999999999999["x"]`,
		"42" + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000),
	} {
		t.Run(packet[:min(len(packet), 40)], func(t *testing.T) {
			f := newFixture(t, nil)
			if packet != "40" && packet != "40[]" {
				c := f.dial()
				c.Send(packet)
				c.WantClosed()
			}
			c, _, _ := f.connect("")
			c.Send(packet)
			c.WantClosed()
			want := engineio.ParseError
			if strings.HasPrefix(packet, "4599") {
				want = engineio.TooManyAttachments
			}
			f.wantEnd(want)
		})
	}
}

func TestBinaryOutOfPlace(t *testing.T) {
	for name, send := range map[string]func(c *rawclient.WS){
		"unannounced":       func(c *rawclient.WS) { c.SendBinary([]byte{1}) },
		"text between":      func(c *rawclient.WS) { c.Send(`451-["x",{"_placeholder":true,"num":0}]`, `42["y"]`) },
		"too many":          func(c *rawclient.WS) { c.Send(`4511-["x"]`) },
		"unknown namespace": func(c *rawclient.WS) { c.Send(`451-/no,["x"]`); c.SendBinary(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, nil)
			c, _, _ := f.connect("")
			send(c)
			c.WantClosed()
		})
	}
}

// A callback that panics ends its own client.
func TestPanic(t *testing.T) {
	f := newFixture(t, nil)
	f.ns.OnEvent(func(_ *socketio.Socket, e *socketio.Event) {
		if e.Name == "panic" {
			panic("in the callback")
		}
		_ = e.Ack()
	})
	other, _, _ := f.connect("")
	c, s, _ := f.connect("")
	c.Send(`42["panic"]`)
	c.WantClosed()
	if f.wantEnd(engineio.Panic) != s {
		t.Error("another socket ended")
	}
	other.Send(`421["x"]`)
	other.Want("431[]")
}

func TestCloseSome(t *testing.T) {
	f := newFixture(t, nil)
	for range 5 {
		f.connect("")
	}
	if n := f.server.CloseSome(2, engineio.Shed); n != 2 {
		t.Errorf("closed %d", n)
	}
	f.wantEnd(engineio.Shed)
	f.wantEnd(engineio.Shed)
	if n := f.server.Len(); n != 3 {
		t.Errorf("%d left, want 3", n)
	}
	if n := f.server.CloseSome(-1, engineio.Shed); n != 0 {
		t.Errorf("closed %d", n)
	}
}

func TestKnowsAndSetLimits(t *testing.T) {
	f := newFixture(t, nil)
	p := rawclient.OpenPolling(t, f.url)
	if !f.server.Knows(p.SID) || f.server.Knows("") {
		t.Error("the sid of a connection is not known, or any is")
	}
	l := engineio.DefaultLimits()
	l.MaxConnections = 1
	if err := f.server.SetLimits(l); err != nil {
		t.Fatal(err)
	}
	if r := rawclient.Do(t, "GET", f.url+"?EIO=4&transport=polling", ""); r.Status != 503 {
		t.Errorf("status %d, want 503", r.Status)
	}
}

func TestOptionsValidate(t *testing.T) {
	if err := socketio.DefaultOptions().Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	for want, change := range map[string]func(*socketio.Options){
		"path":                      func(o *socketio.Options) { o.Path = "api" },
		"ConnectTimeout":            func(o *socketio.Options) { o.ConnectTimeout = 0 },
		"MaxAttachments":            func(o *socketio.Options) { o.MaxAttachments = -1 },
		"MaxRooms":                  func(o *socketio.Options) { o.MaxRooms = -1 },
		"PingTimeout":               func(o *socketio.Options) { o.PingTimeout = 0 },
		"Recovery.MaxDisconnection": func(o *socketio.Options) { o.Recovery = socketio.Recovery{Enabled: true} },
	} {
		o := socketio.DefaultOptions()
		change(&o)
		if _, err := socketio.New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: the error %v does not name it", want, err)
		}
	}
}
