package failover_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/jackc/pgx/v5"

	"chatbridge/internal/chatengine"
	"chatbridge/internal/failover"
	"chatbridge/internal/functiondouble"
	"chatbridge/internal/npm"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
)

const (
	sessionSecret = "the-session-secret-of-these-tests"
	ours, theirs  = "5e0d0000-0000-4000-8000-00000000000a", "5e0d0000-0000-4000-8000-00000000000b"
	// The users: ana and bob are ours, carl is theirs.
	ana, bob, carl = "05e40000-0000-4000-8000-00000000000a", "05e40000-0000-4000-8000-00000000000b", "05e40000-0000-4000-8000-00000000000c"
	first, second  = "c5e00000-0000-4000-8000-000000000001", "c5e00000-0000-4000-8000-000000000002"
	foreign        = "c5e00000-0000-4000-8000-000000000003"
)

// sendingTest is a bridge whose clients send, the function, and the CRM's clients: ana,
// bob, an older CRM of bob's, and carl.
type sendingTest struct {
	t        *testing.T
	dsn      string
	bridge   *failover.Bridge
	function *functiondouble.Server
	conn     *pgx.Conn
	clients  *npm.TestProcess
	// killed are the connections with which the bridge was killed: nobody may have heard of
	// what was written into them.
	killed map[connection]bool
}

// The clients' places.
const (
	clientAna = iota
	clientBob
	clientOld
	clientCarl
)

// startSending runs them; the function behaves as the first word of a text says.
func startSending(t *testing.T, settings map[string]string) *sendingTest {
	t.Helper()
	s := newSending(t)
	s.start(settings)
	return s
}

// newSending is a database and the function.
func newSending(t *testing.T) *sendingTest {
	t.Helper()
	const people = `insert into contacts (id, workspace_id, name, phone) select id, workspace, 'Contact', '5511999990000' from
			(values ('c5e00000-0000-4000-8000-000000000001'::uuid, '` + ours + `'::uuid), ('c5e00000-0000-4000-8000-000000000002', '` + ours + `'), ('c5e00000-0000-4000-8000-000000000003', '` + theirs + `')) v (id, workspace);
		insert into conversations (id, workspace_id, contact_id) select id, workspace_id, id from contacts;
		insert into workspace_members (user_id, workspace_id, role) values ('` + ana + `', '` + ours + `', 'agent'), ('` + bob + `', '` + ours + `', 'agent'), ('` + carl + `', '` + theirs + `', 'agent')`
	dsn := pgtest.DB(t, schemas.CRM, people)
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	s := &sendingTest{t: t, dsn: dsn, conn: conn}
	s.function = functiondouble.Start(t, functiondouble.Options{DatabaseURL: dsn, Choose: func(c functiondouble.Call) functiondouble.Way {
		way, _, _ := strings.Cut(c.Body["message"], ":")
		return functiondouble.Way(way)
	}})
	return s
}

// start starts the bridge, and the clients at it.
func (s *sendingTest) start(settings map[string]string) {
	s.t.Helper()
	all := map[string]string{
		"auth.supabase_secret": sessionSecret, "send.mode": "function", "send.function.url": s.function.URL, "send.anon_key": "sb_publishable_x",
		"send.state_file": filepath.Join(s.t.TempDir(), "sends"), "send.timeout": "3s", "replay.message_ids": "provider",
		"source.postgres.slot": strings.ToLower(s.conn.Config().Database),
	}
	for key, value := range settings {
		all[key] = value
	}
	s.bridge = failover.NewBridge(s.t, failover.BridgeOptions{Form: chatengine.Real, DatabaseURL: s.dsn, Secret: secret, Settings: all})
	s.openClients()
}

func session(t *testing.T, user string, ttl time.Duration) string {
	t.Helper()
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": user, "aud": "authenticated", "role": "authenticated", "exp": time.Now().Add(ttl).Unix(),
	}).SignedString([]byte(sessionSecret))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (s *sendingTest) openClients() {
	s.t.Helper()
	const packages = "testdata/crm"
	npm.Install(s.t, packages)
	client := func(user, workspace string, old bool, subscribe ...string) string {
		return fmt.Sprintf(`{"token":%q,"workspaceId":%q,"old":%t,"subscribe":["%s"]}`, session(s.t, user, time.Hour), workspace, old, strings.Join(subscribe, `","`))
	}
	s.clients = npm.Node(s.t, packages+"/senders.mjs", fmt.Sprintf(`{"url":%q,"function":%q,"clients":[%s,%s,%s,%s]}`, s.bridge.URL(), s.function.URL,
		client(ana, ours, false, first, second), client(bob, ours, false, first, second), client(bob, ours, true, first, second), client(carl, theirs, false, foreign)))
	s.clients.Await("ready", nil)
}

func (s *sendingTest) send(client int, conversation, content string) (id string) {
	s.t.Helper()
	s.clients.Tell(map[string]any{"event": "send", "client": client, "conversation": conversation, "content": content})
	var said struct{ ID string }
	s.clients.Await("send", &said)
	return said.ID
}

type bubble struct {
	ID, ClientID, Content, Status string
	Heard                         bool // it was told of
}

func (s *sendingTest) bubbles(client int) []bubble {
	s.t.Helper()
	s.clients.Tell(map[string]any{"event": "bubbles", "client": client})
	var said struct{ Bubbles []bubble }
	s.clients.Await("bubbles", &said)
	return said.Bubbles
}

// wantBubbles waits until a client shows exactly these texts, each once, with its status.
func (s *sendingTest) wantBubbles(client int, want map[string]string) {
	s.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		var wrong []string
		got := s.bubbles(client)
		for content, status := range want {
			same := slices.DeleteFunc(slices.Clone(got), func(b bubble) bool { return b.Content != content })
			if len(same) != 1 || same[0].Status != status {
				wrong = append(wrong, fmt.Sprintf("%q is shown as %+v, want %s", content, same, status))
			}
		}
		if len(wrong) == 0 && len(got) == len(want) {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("client %d shows %d texts, want %d\n%s", client, len(got), len(want), strings.Join(wrong, "\n"))
		}
		time.Sleep(20 * time.Millisecond) // between two polls of another process
	}
}

// rows counts the rows of a text.
func (s *sendingTest) rows(content string) (n int) {
	s.t.Helper()
	if err := s.conn.QueryRow(s.t.Context(), "select count(*) from messages where body = $1", content).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// TestEveryTextIsSentOnce: whatever the function does, each text that was typed has one
// row where it was stored and none where it was not, one bubble on each screen of its
// workspace with the right status, and went to the function once; the other workspace
// sees nothing of it.
func TestEveryTextIsSentOnce(t *testing.T) {
	t.Parallel()
	s := startSending(t, nil)
	want, stored := make(map[string]string), make(map[string]int)
	texts := []struct {
		content, status string
		rows            int
	}{
		{": one", "sent", 1},
		{"refuses: it", "failed", 0},
		{": two", "sent", 1},
		{"fails: it", "failed", 0},
		{"garbage: it", "failed", 0},
		{"closes: it", "failed", 0},
		{"row closes: it", "sent", 1},
		{"row hangs: it", "sent", 1},
		{"twice: it", "sent", 1},
		{"redirects: it", "failed", 0},
		{": three", "sent", 1},
	}
	for i, tt := range texts {
		s.send(clientAna, []string{first, second}[i%2], tt.content)
		want[tt.content], stored[tt.content] = tt.status, tt.rows
	}
	s.send(clientCarl, foreign, ": theirs")
	id := s.send(clientBob, first, ": bob's")
	want[": bob's"], stored[": bob's"], stored[": theirs"] = "sent", 1, 1
	s.clients.Tell(map[string]any{"event": "again", "client": clientBob, "conversation": first, "content": ": bob's", "id": id})
	s.clients.Await("again", nil)

	s.wantBubbles(clientAna, want)
	s.wantBubbles(clientBob, want)
	s.wantBubbles(clientOld, want)
	s.wantBubbles(clientCarl, map[string]string{": theirs": "sent"})
	for content, n := range stored {
		if got := s.rows(content); got != n {
			t.Errorf("%q has %d rows, want %d", content, got, n)
		}
	}
	calls := make(map[string]int)
	for _, c := range s.function.Calls() {
		calls[c.Body["clientMessageId"]]++
	}
	if len(calls) != len(stored) {
		t.Errorf("the function was called for %d texts, want %d", len(calls), len(stored))
	}
	for id, n := range calls {
		if n != 1 {
			t.Errorf("%s went to the function %d times", id, n)
		}
	}
	if log := s.bridge.Log(); strings.Contains(log, session(t, ana, time.Hour)[:40]) || strings.Contains(log, "refuses: it") {
		t.Error("the log has a session, or a text")
	}

	// A conversation of the others' is not theirs to send to.
	s.send(clientAna, foreign, ": stray")
	want[": stray"] = "failed"
	s.wantBubbles(clientAna, want)
	if n := s.rows(": stray"); n != 0 {
		t.Errorf("a text for another workspace's conversation has %d rows", n)
	}
	s.wantBubbles(clientCarl, map[string]string{": theirs": "sent"})
}

// TestKilledWhileSending: a bridge that is killed between the function and its answer
// sends nothing twice, and its clients are told: by the row where there is one.
func TestKilledWhileSending(t *testing.T) {
	t.Parallel()
	s := startSending(t, map[string]string{"send.timeout": "60s"})
	lost := s.send(clientAna, first, "hangs: lost")
	arrived := s.send(clientAna, second, "row hangs: arrived")
	s.function.Await(t, 2)
	s.bridge.Kill()
	s.bridge.Start()
	s.bridge.AwaitReady()
	want := map[string]string{"hangs: lost": "failed", "row hangs: arrived": "sent"}
	s.wantBubbles(clientAna, want)
	for _, client := range []int{clientBob, clientOld} {
		s.wantBubbles(client, want)
	}
	// Sent again, as a client does that heard nothing.
	for id, m := range map[string][2]string{lost: {first, "hangs: lost"}, arrived: {second, "row hangs: arrived"}} {
		s.clients.Tell(map[string]any{"event": "again", "client": clientAna, "conversation": m[0], "content": m[1], "id": id})
		s.clients.Await("again", nil)
	}
	s.send(clientAna, first, ": after")
	want[": after"] = "sent"
	s.wantBubbles(clientAna, want)
	if n := len(s.function.Calls()); n != 3 {
		t.Errorf("the function was called %d times for three texts", n)
	}
	if n := s.rows("row hangs: arrived"); n != 1 {
		t.Errorf("%d rows", n)
	}
}

// TestHandedBackWhileSending: the clients have long been back at ChatEngine when the function
// answers; each shows what became of the text, the sender's and the others, of whatever
// version.
func TestHandedBackWhileSending(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	w := &world{t: t}
	engine := chatengine.New(t, chatengine.Options{DatabaseURL: s.dsn, Secret: sessionSecret})
	settings := gatewaySettings(engine)
	settings["send.timeout"] = "60s"
	engine.Kill()
	s.start(settings)
	s.send(clientAna, first, "waits: it")
	s.send(clientBob, second, "row hangs: it")
	s.function.Await(t, 2)
	w.restore(engine)
	w.handedBack(s.bridge)
	steady(released)
	s.function.Release()
	s.send(clientAna, second, "by ChatEngine")
	want := map[string]string{"waits: it": "sent", "row hangs: it": "sent", "by ChatEngine": "sent"}
	for _, client := range []int{clientAna, clientBob, clientOld} {
		s.wantBubbles(client, want)
	}
	s.wantBubbles(clientCarl, map[string]string{})
}
