package clienttest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"chatbridge/internal/npm"
	"chatbridge/socketio"
	"chatbridge/socketio/engineio"
)

// profile is how a pair of servers is configured: the options of npm's server.
type profile struct {
	PingInterval      int  `json:"pingInterval"` // times in ms
	PingTimeout       int  `json:"pingTimeout"`
	ConnectTimeout    int  `json:"connectTimeout"`
	MaxHTTPBufferSize int  `json:"maxHttpBufferSize"`
	Recovery          bool `json:"recovery"`
}

// The profiles, by index.
const (
	plain     = iota
	recovers  // with connection-state recovery
	pings     // often
	impatient // gives up soon
)

var profiles = []profile{
	plain:     {25_000, 20_000, 45_000, 200_000, false},
	recovers:  {25_000, 20_000, 45_000, 200_000, true},
	pings:     {150, 10_000, 45_000, 1_000_000, false},
	impatient: {300, 2000, 1500, 200_000, false},
}

// impatientPings is how long a connection of the impatient profile lives without a
// pong.
const impatientPings = 2300 * time.Millisecond

// side is one of the two servers that are compared, in each profile.
type side struct {
	name string
	urls []string
}

// startSides starts our server and npm's.
func startSides(t *testing.T) [2]side {
	t.Helper()
	ours := side{name: "ours"}
	for _, p := range profiles {
		ours.urls = append(ours.urls, startParityServer(t, p))
	}
	list, err := json.Marshal(profiles)
	if err != nil {
		t.Fatal(err)
	}
	var ready struct{ Ports []int }
	npm.Node(t, packages+"/parity-server.mjs", string(list)).Await("listening", &ready)
	theirs := side{name: "npm's"}
	for _, port := range ready.Ports {
		theirs.urls = append(theirs.urls, fmt.Sprintf("http://127.0.0.1:%d", port))
	}
	return [2]side{ours, theirs}
}

// parityServer has the behaviour of testdata/npm/parity-server.mjs.
type parityServer struct {
	t  *testing.T
	ns *socketio.Namespace
	// offsets: each event ends with one, as those of npm's server do when it recovers
	// sessions. The tests do not compare offsets.
	offsets bool
}

func startParityServer(t *testing.T, p profile) string {
	t.Helper()
	o := socketio.DefaultOptions()
	o.Path = "/api/ws"
	o.PingInterval = time.Duration(p.PingInterval) * time.Millisecond
	o.PingTimeout = time.Duration(p.PingTimeout) * time.Millisecond
	o.ConnectTimeout = time.Duration(p.ConnectTimeout) * time.Millisecond
	o.MaxPayload = p.MaxHTTPBufferSize
	o.CheckOrigin = func(string) bool { return true }
	o.Recovery.Enabled = p.Recovery
	server, err := socketio.New(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/", "/custom"} {
		s := &parityServer{t: t, ns: server.Namespace(name), offsets: p.Recovery}
		s.ns.OnAuth(s.auth)
		s.ns.OnConnect(s.connected)
		s.ns.OnEvent(s.event)
	}
	h := httptest.NewServer(server)
	t.Cleanup(func() {
		if err := server.Shutdown(context.Background(), socketio.ShutdownOptions{}); err != nil {
			t.Errorf("shut down: %v", err)
		}
		h.CloseClientConnections()
		h.Close()
	})
	return h.URL
}

func (s *parityServer) auth(_ context.Context, h *socketio.Handshake) (any, error) {
	var auth struct{ Token *string }
	if err := json.Unmarshal(h.Auth, &auth); err != nil {
		return nil, err
	}
	code := func(c string) any { return map[string]string{"code": c} }
	switch {
	case auth.Token == nil:
		return nil, &socketio.ConnectError{Message: "no token", Data: code("token_missing")}
	case *auth.Token == "good":
		return *auth.Token, nil
	case *auth.Token == "later":
		return nil, socketio.ErrRetry
	}
	return nil, &socketio.ConnectError{Message: "invalid token é", Data: code("token_invalid")}
}

// newEvent encodes an event, with an offset where the profile has them.
func (s *parityServer) newEvent(name string, attachments [][]byte, args ...[]byte) *socketio.Packet {
	if s.offsets {
		args = append(args, []byte(`"offset"`))
	}
	return socketio.NewBinaryEvent(s.ns.Name(), name, attachments, args...)
}

// emit sends an event; that the client has gone is its right.
func (s *parityServer) emit(socket *socketio.Socket, name string, args ...any) {
	encoded := make([][]byte, len(args))
	for i, a := range args {
		b, err := json.Marshal(a)
		if err != nil {
			s.t.Error(err)
		}
		encoded[i] = b
	}
	_ = socket.Send(s.newEvent(name, nil, encoded...))
}

func (s *parityServer) connected(socket *socketio.Socket) {
	if socket.Recovered() {
		s.emit(socket, "missed", "ü", 7) // as npm's server sends after "drop"
	}
	s.emit(socket, "hello", map[string]any{"recovered": socket.Recovered(), "namespace": s.ns.Name()})
}

func (s *parityServer) event(socket *socketio.Socket, e *socketio.Event) {
	str := func(i int) (v string) { _ = json.Unmarshal(e.Args[i], &v); return v }
	num := func(i int) (v int) { _ = json.Unmarshal(e.Args[i], &v); return v }
	switch e.Name {
	case "who":
		h := socket.Handshake()
		first := func(values []string) any {
			if len(values) == 0 {
				return nil
			}
			return values[0]
		}
		_ = e.Ack(map[string]any{"token": socket.Data(), "x": first(h.Query["x"]), "header": first(h.Header[http.CanonicalHeaderKey("x-test")])})
	case "kick":
		socket.Disconnect()
	case "kick and close":
		socket.Disconnect()
		socket.Close(engineio.ServerClose)
	case "drop":
		socket.Close(engineio.ServerClose)
	case "large":
		s.emit(socket, "large", strings.Repeat("é", num(0)))
	case "count":
		for i := range num(0) {
			s.emit(socket, "n", i)
		}
	case "join":
		_ = socket.Join(str(0))
		_ = e.Ack("joined")
	case "leave":
		socket.Leave(str(0))
		_ = e.Ack("left")
	case "broadcast":
		s.ns.Broadcast(s.newEvent("news", nil, rawBytes(e.Args[1:])...), str(0))
	case "ack twice":
		_ = e.Ack(1)
		if err := e.Ack(2); err == nil {
			s.t.Error("an event was acknowledged twice")
		}
	default:
		if e.HasAck() {
			_ = e.AckBinary(e.Attachments, e.Args...)
			return
		}
		name, _ := json.Marshal(e.Name)
		_ = socket.Send(s.newEvent("back", e.Attachments, append([][]byte{name}, rawBytes(e.Args)...)...))
	}
}

func rawBytes(args []json.RawMessage) [][]byte {
	b := make([][]byte, len(args))
	for i, a := range args {
		b[i] = a
	}
	return b
}
