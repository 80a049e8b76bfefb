package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"chatbridge/bridge/api"
	"chatbridge/bridge/auth"
	"chatbridge/bridge/hub"
	"chatbridge/mapping/contract"
	"chatbridge/socketio"
	"chatbridge/source"
)

// named is an Authenticator that believes tokens such as "w1/ana/100ms": the
// workspace, the user and how long the token lasts.
type named struct{}

func (named) Authenticate(_ context.Context, c auth.Credentials) (auth.Principal, error) {
	part := strings.Split(c.Token, "/")
	if len(part) != 3 {
		return auth.Principal{}, &auth.Refusal{Code: auth.CodeTokenMalformed, Message: "no token of the tests"}
	}
	lasts, err := time.ParseDuration(part[2])
	return auth.Principal{Workspace: part[0], User: part[1], Expires: time.Now().Add(lasts)}, err
}

// startNamed is a server whose clients are somebody.
func startNamed(t *testing.T) (server *api.Server, url string) {
	t.Helper()
	opts := api.Options{
		SocketIO: socketio.DefaultOptions(), Hub: hub.DefaultOptions(),
		ExpiryGrace: 50 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	}
	opts.SocketIO.Path = "/api/ws"
	opts.Hub.SubscribeGrace = 0
	server, url = serve(t, opts, named{})
	return server, "ws" + strings.TrimPrefix(url, "http")
}

// person is a raw connection of somebody's.
type person struct {
	*websocket.Conn
	t        *testing.T
	SID, PID string
}

// join connects with a CONNECT payload beside the token.
func join(t *testing.T, url, token, more string) *person {
	t.Helper()
	conn, _, err := websocket.DefaultDialer.DialContext(t.Context(), url+"/api/ws/?EIO=4&transport=websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &person{Conn: conn, t: t}
	t.Cleanup(func() { _ = p.Close() })
	p.next() // the open packet
	p.say(fmt.Sprintf(`40{"token":%q%s}`, token, more))
	answer, ok := strings.CutPrefix(p.next(), "40")
	if !ok || json.Unmarshal([]byte(answer), p) != nil || p.SID == "" {
		t.Fatalf("CONNECT was answered %s", answer)
	}
	return p
}

// Close closes the connection, once, and lets go of its buffers.
func (p *person) Close() error {
	if p.Conn == nil {
		return nil
	}
	conn := p.Conn
	p.Conn = nil
	return conn.Close()
}

func (p *person) say(packet string) {
	p.t.Helper()
	if err := p.WriteMessage(websocket.TextMessage, []byte(packet)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *person) next() string {
	p.t.Helper()
	_ = p.SetReadDeadline(time.Now().Add(30 * time.Second))
	_, text, err := p.ReadMessage()
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

// until reads up to a packet that begins so.
func (p *person) until(prefix string) string {
	p.t.Helper()
	for {
		if text := p.next(); strings.HasPrefix(text, prefix) {
			return text
		}
	}
}

// ended waits for the end of the connection.
func (p *person) ended() {
	p.t.Helper()
	_ = p.SetReadDeadline(time.Now().Add(30 * time.Second))
	for {
		_, text, err := p.ReadMessage()
		if err == nil && string(text) == "41" {
			p.t.Error("a DISCONNECT packet, after which a client never comes back")
		}
		if err != nil {
			if e := net.Error(nil); errors.As(err, &e) && e.Timeout() {
				p.t.Error("the connection did not end")
			}
			return
		}
	}
}

// tell publishes a conversation event of a workspace.
func tell(server *api.Server, workspace string, commit uint64) {
	at := source.Position{Commit: commit, Index: 1}
	server.Hub().Publish(&hub.Event{
		Position: at, Kind: contract.Conversation, Workspace: []byte(workspace), Conversation: []byte("c"),
		Packet: socketio.NewEvent(hub.Namespace, "conversation", fmt.Appendf(nil, `{"n":%d}`, commit), fmt.Appendf(nil, "%q", at)),
	}, time.Now())
}

// TestASessionIsItsUsers: whoever learns a session's private id and is somebody
// else, or of another workspace, begins anew.
func TestASessionIsItsUsers(t *testing.T) {
	t.Parallel()
	server, url := startNamed(t)
	commit := uint64(0)
	for name, c := range map[string]struct {
		token string
		same  bool
	}{
		"the user":                       {"w1/ana/1h", true},
		"another user":                   {"w1/bob/1h", false},
		"that user of another workspace": {"w2/ana/1h", false},
	} {
		mine := join(t, url, "w1/ana/1h", "")
		commit++
		at := source.Position{Commit: commit, Index: 1}
		// Live, so that its offset is exact: what comes while it reads the
		// window is repeated by a new session.
		mine.say(`420["ping"]`)
		mine.until(`430`)
		awaitLive(t, server)
		tell(server, "w1", commit)
		mine.until(fmt.Sprintf(`42["conversation",{"n":%d}`, commit))
		_ = mine.Close()
		again := join(t, url, c.token, fmt.Sprintf(`,"pid":%q,"offset":%q`, mine.PID, at))
		if (again.SID == mine.SID) != c.same || (again.PID == mine.PID) != c.same {
			t.Errorf("%s got session %s, which was %s", name, again.SID, mine.SID)
		}
		_ = again.Close()
	}
}

// TestARefusedAttemptDoesNotUseUpASession: whoever else knows its private id gets a
// session of his own, and its user still gets hers.
func TestARefusedAttemptDoesNotUseUpASession(t *testing.T) {
	server, url := startNamed(t)
	before := idle(t, server, url)
	mine := join(t, url, "w1/ana/1h", "")
	mine.say(`420["ping"]`)
	mine.until(`430`)
	awaitLive(t, server)
	tell(server, "w1", 1)
	mine.until(`42["conversation",{"n":1}`)
	_ = mine.Close()
	at := source.Position{Commit: 1, Index: 1}
	for _, attempt := range []struct{ token, offset string }{
		{"w1/bob/1h", at.String()}, {"w2/ana/1h", at.String()}, {"w1/ana/1h", "no offset"}, {"w1/bob/1h", ""},
	} {
		other := join(t, url, attempt.token, fmt.Sprintf(`,"pid":%q,"offset":%q`, mine.PID, attempt.offset))
		if other.SID == mine.SID {
			t.Errorf("%s got the session", attempt.token)
		}
		_ = other.Close()
	}
	again := join(t, url, "w1/ana/1h", fmt.Sprintf(`,"pid":%q,"offset":%q`, mine.PID, at))
	if again.SID != mine.SID {
		t.Error("the session is gone")
	}
	_ = again.Close()
	before.Await(t)
}

// awaitLive waits until nobody is fed from the log.
func awaitLive(t *testing.T, server *api.Server) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for server.Hub().Stats().Catching > 0 {
		if time.Now().After(deadline) {
			t.Fatal("clients are caught up for ever")
		}
		time.Sleep(time.Millisecond)
	}
}

// TestAFreshTokenMovesTheEnd: a client that shows a fresh token stays when the
// old one is over; the transport of one that does not is closed.
func TestAFreshTokenMovesTheEnd(t *testing.T) {
	t.Parallel()
	_, url := startNamed(t)
	renewed := join(t, url, "w1/ana/1s", "")
	renewed.say(`420["auth",{"token":"w1/ana/1h"}]`)
	if got := renewed.until("430"); got != `430[{"ok":true}]` {
		t.Fatalf("a fresh token was answered %s", got)
	}
	// It came later, and so ends later than the first would have.
	join(t, url, "w1/ana/1s", "").ended()
	renewed.say(`421["ping"]`)
	renewed.until("431")
	// A token that is as good as over moves the end as well.
	renewed.say(`422["auth",{"token":"w1/ana/1ms"}]`)
	renewed.ended()
}

// TestAFreshTokenMustBeTheSamePrincipals: a socket is one user's of one
// workspace for its life.
func TestAFreshTokenMustBeTheSamePrincipals(t *testing.T) {
	t.Parallel()
	_, url := startNamed(t)
	p := join(t, url, "w1/ana/1h", "")
	for n, c := range []struct{ arg, code string }{
		{`{"token":"w2/ana/1h"}`, "other_principal"},
		{`{"token":"w1/bob/1h"}`, "other_principal"},
		{`{"token":"none"}`, auth.CodeTokenMalformed},
		{`{}`, "bad_request"},
	} {
		p.say(fmt.Sprintf(`42%d["auth",%s]`, n, c.arg))
		if got := p.until(fmt.Sprintf("43%d", n)); !strings.Contains(got, `"code":"`+c.code+`"`) {
			t.Errorf("%s was answered %s, want the code %s", c.arg, got, c.code)
		}
	}
}

// TestAFullWorkspaceSendsClientsAway: the client past limits.workspace.clients has its
// transport closed, so that it comes back; a CONNECT_ERROR would stop it for good.
func TestAFullWorkspaceSendsClientsAway(t *testing.T) {
	t.Parallel()
	opts := api.Options{
		SocketIO: socketio.DefaultOptions(), Hub: hub.DefaultOptions(), ExpiryGrace: -1, Logger: slog.New(slog.DiscardHandler),
	}
	opts.SocketIO.Path = "/api/ws"
	opts.Hub.Workspace.Clients = 1
	server, url := serve(t, opts, named{})
	url = "ws" + strings.TrimPrefix(url, "http")
	first := join(t, url, "w1/ana/1h", "")
	join(t, url, "w2/eve/1h", "")
	conn, _, err := websocket.DefaultDialer.DialContext(t.Context(), url+"/api/ws/?EIO=4&transport=websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	second := &person{Conn: conn, t: t}
	second.next() // the open packet
	second.say(`40{"token":"w1/bob/1h"}`)
	_ = second.SetReadDeadline(time.Now().Add(30 * time.Second))
	if _, text, err := second.ReadMessage(); err == nil {
		t.Errorf("the second client was answered %s", text)
	}
	if n := server.Stats().TokensRefused["workspace_full"]; n != 1 {
		t.Errorf("%d were counted", n)
	}
	_ = first.Close()
	awaitClients(t, server, 1)
	join(t, url, "w1/bob/1h", "")
}

// TestWhatWasOwedElsewhere: a client that is cut shortly after it connected, and comes to
// another bridge, is given what it was owed there, also of before its offset: not all of
// that may have been sent before the cut.
func TestWhatWasOwedElsewhere(t *testing.T) {
	t.Parallel()
	bridge := func() (server *api.Server, url string, publish func(n uint64)) {
		opts := api.Options{
			SocketIO: socketio.DefaultOptions(), Hub: hub.DefaultOptions(),
			ExpiryGrace: time.Minute, Logger: slog.New(slog.DiscardHandler),
		}
		opts.SocketIO.Path, opts.Hub.SubscribeGrace, opts.Hub.Replay.Window = "/api/ws", 0, time.Nanosecond
		server, url = serve(t, opts, named{})
		return server, "ws" + strings.TrimPrefix(url, "http"), func(n uint64) {
			e := hub.Event{
				Position: source.Position{Commit: n, Index: 1}, Commit: time.Now(), Kind: contract.Message,
				Workspace: []byte("w"), Conversation: []byte("c"), Message: fmt.Append(nil, n),
			}
			offset := hub.AppendOffset(nil, hub.Offset{Position: e.Position, Commit: e.Commit})
			e.Packet = socketio.NewEvent(hub.Namespace, "message", fmt.Appendf(nil, `{"n":%d}`, n), fmt.Appendf(nil, "%q", offset))
			server.Hub().Publish(&e, time.Now())
		}
	}
	first, url, publish := bridge()
	publish(1)
	p := join(t, url, "w/ana/1h", "")
	awaitLive(t, first)
	publish(2)
	publish(3)
	p.until(`42["message",{"n":2}`)
	text := p.until(`42["message",{"n":3}`)
	offset := text[strings.Index(text, `,"`)+len(`,"`) : len(text)-len(`"]`)]
	offset = offset[strings.LastIndex(offset, `"`)+1:]

	_, url, publish = bridge()
	for n := range uint64(4) {
		publish(n + 1)
	}
	back := join(t, url, "w/ana/1h", `,"pid":"`+p.PID+`","offset":"`+offset+`"`)
	back.until(`42["message",{"n":2}]`)
	back.until(`42["message",{"n":3}]`)
	back.until(`42["message",{"n":4}`) // by the backlog or by the main feed, whichever read first
	// The new session owes it the same until it proves that it has received it.
	if of := strings.Split(back.PID, "."); len(of) != 4 || of[3] != strings.Split(p.PID, ".")[3] {
		t.Errorf("the private id %s became %s", p.PID, back.PID)
	}
}
