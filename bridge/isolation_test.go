package bridge_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/jackc/pgx/v5"

	"chatbridge/bridge/auth"
	"chatbridge/internal/schemas"
	"chatbridge/internal/sioclient"
	"chatbridge/internal/throwaway/pgtest"
)

// tenant is one of the two workspaces. Its marks are in everything that is
// its own: in ids, texts, names and users. The ids of its conversations are
// not: those an attacker may know and name.
type tenant struct {
	workspace, user, member string
	marks                   []string
	conversations           []string

	mu       sync.Mutex
	messages map[string][]string // ids by conversation
}

func newTenant(letter, word string) *tenant {
	id := func(n int) string { return fmt.Sprintf("%s-0000-4000-8000-%012d", strings.Repeat(letter, 8), n) }
	t := &tenant{
		workspace: id(1), member: id(2), user: "user-" + word, marks: []string{strings.Repeat(letter, 8), word},
		messages: make(map[string][]string),
	}
	for i := range 5 {
		t.conversations = append(t.conversations, fmt.Sprintf("c0c0c0c0-0000-4000-8000-%s%011d", letter, i))
	}
	return t
}

// all returns the messages of the conversations that are the tenant's own, of
// all of them where none is given.
func (w *tenant) all(conversations ...string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(conversations) == 0 {
		conversations = w.conversations
	}
	var ids []string
	for _, c := range conversations {
		ids = append(ids, w.messages[c]...)
	}
	slices.Sort(ids)
	return ids
}

const (
	isolationAudience = "crm"
	sessionSecret     = "the-secret-of-the-supabase-project"
)

func (w *tenant) token(t *testing.T) string {
	t.Helper()
	s, err := auth.Sign(secret, w.workspace, w.user, "", isolationAudience, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (w *tenant) session(t *testing.T) string {
	return sign(t, jwt.SigningMethodHS256, []byte(sessionSecret), jwt.MapClaims{
		"sub": w.member, "aud": "authenticated", "role": "authenticated", "exp": time.Now().Add(time.Hour).Unix(),
	})
}

func sign(t *testing.T, m jwt.SigningMethod, key any, claims jwt.MapClaims) string {
	t.Helper()
	s, err := jwt.NewWithClaims(m, claims).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// isolationTest is a daemon with both tenants and the clients of both.
type isolationTest struct {
	*daemonTest
	tenants [2]*tenant
	conn    *pgx.Conn
	inserts int
	spies   []*spy
}

// TestIsolation has two workspaces and hundreds of sockets that try, in every
// way that the protocol offers, to see something of the other one. What every
// socket receives is read byte by byte for the other's marks.
func TestIsolation(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DB(t, schemas.CRM)
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	it := &isolationTest{conn: conn, tenants: [2]*tenant{newTenant("a", "ALPHA"), newTenant("b", "BRAVO")}}
	it.fill(t)
	it.daemonTest = startDaemon(t, dsn, "SUPABASE_JWT_SECRET="+sessionSecret, "BRIDGE_AUTH_AUDIENCE="+isolationAudience, "BRIDGE_REPLAY_WINDOW=5m")
	it.ready()

	const rounds = 6 // of every kind, for each tenant
	for range rounds / 3 {
		it.connect(t)
	}
	it.traffic(t, 40)
	for range rounds / 3 {
		it.connect(t)
	}
	it.traffic(t, 40)
	it.stealSessions(t)
	it.intrude(t)
	it.traffic(t, 40)
	for range rounds - 2*(rounds/3) {
		it.connect(t)
	}
	it.knock(t)
	it.traffic(t, 20)

	for _, s := range it.spies {
		s.awaitExpected(t)
	}
	t.Logf("%d sockets, %d messages", len(it.spies), it.inserts)
	if len(it.spies) < 200 {
		t.Errorf("only %d sockets", len(it.spies))
	}
	seen := 0
	for _, s := range it.spies {
		seen += s.close(t)
	}
	if seen == 0 {
		t.Error("nobody received anything, so nothing was tested")
	}
	it.keepsQuiet(t)
}

// keepsQuiet reads the log and what the operator sees for tokens (every JWT
// begins with eyJ), secrets and messages.
func (it *isolationTest) keepsQuiet(t *testing.T) {
	t.Helper()
	said := map[string]string{"the log": it.log.String()}
	for _, path := range []string{"/status", "/metrics"} {
		said[path] = it.admin(path)
	}
	for where, text := range said {
		for _, hidden := range []string{"eyJ", secret, sessionSecret, "ALPHA text", "BRAVO text"} {
			if i := strings.Index(text, hidden); i >= 0 {
				t.Errorf("%s shows %q: …%s…", where, hidden, text[max(0, i-100):min(len(text), i+100)])
			}
		}
	}
	if !strings.Contains(said["the log"], auth.CodeNotMember) {
		t.Error("the log does not tell why clients were refused")
	}
}

func (it *isolationTest) fill(t *testing.T) {
	for i, w := range it.tenants {
		letter := string("ab"[i])
		for n, id := range w.conversations {
			contact := fmt.Sprintf("%s-0000-4000-8001-%012d", strings.Repeat(letter, 8), n)
			it.exec(t, `insert into contacts (id, workspace_id, name, phone) values ($1, $2, $3, $4)`, contact, w.workspace, w.marks[1]+" contact", fmt.Sprintf("55119%d%07d", i, n))
			it.exec(t, `insert into conversations (id, workspace_id, contact_id) values ($1, $2, $3)`, id, w.workspace, contact)
		}
		it.exec(t, `insert into workspace_members (user_id, workspace_id, role) values ($1, $2, 'agent')`, w.member, w.workspace)
	}
}

func (it *isolationTest) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	if _, err := it.conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

// traffic writes n messages to each workspace, their statuses, typing and
// conversations. Every tenth transaction is of both workspaces at once.
func (it *isolationTest) traffic(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		both := i%10 == 0
		if both {
			it.exec(t, "begin")
		}
		for _, w := range it.tenants {
			it.inserts++
			c := w.conversations[it.inserts%len(w.conversations)]
			id := fmt.Sprintf("%s-0000-4000-9000-%012d", w.marks[0], it.inserts)
			it.exec(t, `insert into messages (id, workspace_id, conversation_id, body, status, is_outgoing, sender_jid, external_id)
				values ($1, $2, $3, $4, 'delivered', false, '5511999999999@s.whatsapp.net', $5)`, id, w.workspace, c, w.marks[1]+" text", w.marks[1]+id)
			it.exec(t, `update messages set status = 'read' where id = $1`, id)
			it.exec(t, `update conversations set last_message_at = now(), is_typing = not is_typing where id = $1`, c)
			w.mu.Lock()
			w.messages[c] = append(w.messages[c], id)
			w.mu.Unlock()
		}
		if both {
			it.exec(t, "commit")
		}
	}
}

// connect adds one spy of every kind for each tenant.
func (it *isolationTest) connect(t *testing.T) {
	t.Helper()
	for i, own := range it.tenants {
		foreign := it.tenants[1-i]
		token, session := own.token(t), own.session(t)
		add := func(name string, expect []string, auth map[string]any, query string, subscribe ...string) {
			t.Helper()
			s := newSpy(t, it.url+query, name, own, foreign, expect, auth, subscribe...)
			it.spies = append(it.spies, s)
		}
		none, all := []string{}, []string(nil)
		ownAll, foreignAll := own.conversations, foreign.conversations

		add("open", all, map[string]any{"token": token}, "")
		add("session", all, map[string]any{"token": session, "workspaceId": own.workspace}, "")
		add("session by query", all, map[string]any{"token": session}, "?workspaceId="+own.workspace)
		add("names the other workspace", all, map[string]any{"token": token, "workspaceId": foreign.workspace}, "")
		add("names the other workspace in the query", all, map[string]any{"token": token}, "?workspaceId="+foreign.workspace+"&workspace_id="+foreign.workspace)
		add("names two workspaces", all, map[string]any{"token": session, "workspaceId": own.workspace}, "?workspaceId="+foreign.workspace)
		add("other names for a workspace", all, map[string]any{
			"token": token, "workspace": foreign.workspace, "workspace_id": foreign.workspace, "rooms": foreignAll, "conversationId": foreignAll[0],
		}, "")
		add("one", ownAll[:1], map[string]any{"token": token}, "", ownAll[0])
		add("every own", ownAll, map[string]any{"token": token}, "", ownAll...)
		add("every own, session", ownAll, map[string]any{"token": session, "workspaceId": own.workspace}, "", ownAll...)
		add("one foreign", none, map[string]any{"token": token}, "", foreignAll[0])
		add("every foreign", none, map[string]any{"token": token}, "", foreignAll...)
		add("own and foreign", ownAll[2:4], map[string]any{"token": token}, "", append(slices.Clone(ownAll[2:4]), foreignAll...)...)
		add("foreign, session", none, map[string]any{"token": session, "workspaceId": own.workspace}, "", foreignAll...)
		add("names of rooms", none, map[string]any{"token": token}, "", roomNames(foreign)...)
		add("made-up ids", none, map[string]any{"token": token}, "", "nobody", "00000000-0000-0000-0000-000000000000", foreignAll[0]+" ", strings.ToUpper(foreignAll[0]))
		add("wild cards", none, map[string]any{"token": token}, "", "*", "%", "_", "c0c0c0c0*", "c0c0c0c0%")
	}
}

// roomNames are names that a server might use inside.
func roomNames(w *tenant) []string {
	out := []string{"/", "/" + w.workspace, "workspace:" + w.workspace, "workspace/" + w.workspace, w.workspace}
	for _, prefix := range []string{"w:", "c:", "o:", "e:", "ws:", "open:", "all:", "room:"} {
		out = append(out, prefix+w.workspace)
		for _, separator := range []string{"\x00", ":", "/", "|", "\n", " "} {
			out = append(out, prefix+w.workspace+separator, prefix+w.workspace+separator+w.conversations[0], w.workspace+separator+w.conversations[0])
		}
	}
	return out
}

// intrude has connected sockets try what a socket can do.
func (it *isolationTest) intrude(t *testing.T) {
	t.Helper()
	for _, s := range it.spies[:34] {
		foreign := s.foreign.conversations[1]
		for _, isTyping := range []bool{true, false} {
			s.ask(t, true, "", "typing", map[string]any{"conversationId": s.own.conversations[1], "isTyping": isTyping})
			s.ask(t, false, "", "typing", map[string]any{"conversationId": foreign, "isTyping": isTyping})
			s.ask(t, false, "", "typing", map[string]any{"conversationId": "none", "isTyping": isTyping})
			s.ask(t, false, "", "typing", map[string]any{
				"conversationId": foreign, "isTyping": isTyping, "workspaceId": s.foreign.workspace, "userId": "somebody-else", "room": s.foreign.workspace,
			})
		}
		s.ask(t, false, "other_principal", "auth", map[string]any{"token": s.foreign.token(t)})
		s.ask(t, false, "other_principal", "auth", map[string]any{"token": s.foreign.token(t), "workspaceId": s.foreign.workspace})
		s.ask(t, false, "", "auth", map[string]any{"token": s.foreign.session(t), "workspaceId": s.foreign.workspace})
		s.ask(t, false, "", "sendMessage", map[string]any{"type": "sendMessage", "conversationId": foreign, "content": "x", "messageId": "made-up"})
		s.ask(t, false, "", "markAsRead", map[string]any{"type": "markAsRead", "conversationId": foreign})
		for _, name := range []string{"join", "message", "conversation", "messageStatus", "subscribe", "subscribe:workspace", "emit"} {
			s.ask(t, false, "unknown_event", name, map[string]any{"workspaceId": s.foreign.workspace, "conversationId": foreign})
		}
	}
}

// stealSessions takes over the private id and the position of sockets of the
// other workspace, while they are connected and after they have gone.
func (it *isolationTest) stealSessions(t *testing.T) {
	t.Helper()
	for i, own := range it.tenants {
		foreign := it.tenants[1-i]
		for range 3 {
			victim := newSpy(t, it.url, "victim", foreign, own, nil, map[string]any{"token": foreign.token(t)})
			victim.awaitEvent(t)
			pid, offset := victim.identity()
			if pid == "" || offset == "" {
				t.Fatalf("the victim has no session to steal: pid %q, offset %q", pid, offset)
			}
			thief := func(name, pid, offset string) {
				s := newSpy(t, it.url, name, own, foreign, nil, map[string]any{"token": own.token(t), "pid": pid, "offset": offset})
				if s.recovered {
					t.Errorf("%s of %s recovered a foreign session", name, own.user)
				}
				it.spies = append(it.spies, s)
			}
			thief("thief of a connected socket", pid, offset)
			victim.close(t)
			thief("thief", pid, offset)
			thief("thief of the position", "made-up", offset)
			thief("thief from the beginning", pid, "0000000000000000-00000000")
			thief("thief with garbage", pid, "' or 1=1 --")
		}
	}
}

// knock tries tokens that must not open the other workspace.
func (it *isolationTest) knock(t *testing.T) {
	t.Helper()
	for i, own := range it.tenants {
		foreign := it.tenants[1-i]
		claims := func(change func(jwt.MapClaims)) jwt.MapClaims {
			c := jwt.MapClaims{"workspace_id": foreign.workspace, "sub": own.user, "aud": isolationAudience, "exp": time.Now().Add(time.Hour).Unix()}
			if change != nil {
				change(c)
			}
			return c
		}
		hs256 := func(key string, c jwt.MapClaims) string { return sign(t, jwt.SigningMethodHS256, []byte(key), c) }
		head, _, _ := strings.Cut(own.token(t), ".")
		_, body, _ := strings.Cut(hs256("another", claims(nil)), ".")
		for name, tt := range map[string]struct{ code, token, workspace string }{
			"forged claims":           {auth.CodeTokenSignature, hs256("another secret", claims(nil)), ""},
			"own header, forged body": {auth.CodeTokenSignature, head + "." + body, ""},
			"unsigned":                {auth.CodeTokenAlgorithm, sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claims(nil)), ""},
			"another audience":        {auth.CodeTokenAudience, hs256(secret, claims(func(c jwt.MapClaims) { c["aud"] = "billing" })), ""},
			"no audience":             {auth.CodeTokenAudience, hs256(secret, claims(func(c jwt.MapClaims) { delete(c, "aud") })), ""},
			"expired":                 {auth.CodeTokenExpired, hs256(secret, claims(func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Hour).Unix() })), ""},
			"chatengine by the project's secret": {
				auth.CodeTokenAudience, hs256(sessionSecret, claims(nil)), foreign.workspace,
			},
			"session, not a member":      {auth.CodeNotMember, own.session(t), foreign.workspace},
			"session, member of nothing": {auth.CodeNotMember, own.session(t), "00000000-0000-4000-8000-000000000000"},
			"session, two workspaces":    {auth.CodeNotMember, own.session(t), own.workspace + "," + foreign.workspace},
			"session, pattern":           {auth.CodeNotMember, own.session(t), "%"},
			"session, SQL":               {auth.CodeNotMember, own.session(t), foreign.workspace + "' or 'a'='a"},
			"session, no workspace":      {auth.CodeWorkspaceMissing, own.session(t), ""},
			"nothing":                    {auth.CodeTokenMissing, "", foreign.workspace},
		} {
			s := refusedSpy(t, it.url, name, own, foreign, map[string]any{"token": tt.token, "workspaceId": tt.workspace})
			var refused *sioclient.ConnectError
			if !errors.As(s.err, &refused) || refused.Code() != tt.code {
				t.Errorf("%s: %v, want a refusal with %s", name, s.err, tt.code)
			}
			if n := s.count(); n > 0 {
				t.Errorf("%s: received %d events", name, n)
			}
		}
	}
}

// payload is what of an event tells whose it is.
type payload struct {
	ID, WorkspaceID, ConversationID, UserID, MessageID string
}

func payloadOf(e sioclient.Event) (p payload) {
	if len(e.Args) > 0 {
		_ = json.Unmarshal(e.Args[0], &p)
	}
	return p
}
