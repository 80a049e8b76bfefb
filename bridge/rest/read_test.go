package rest_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatbridge/bridge/rest"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"

	"github.com/jackc/pgx/v5"
)

var update = flag.Bool("update", false, "write the golden files")

// chatEngine has ChatEngine's own tables.
const chatEngine = `
create table workspace_members (user_id text, workspace_id text);
insert into conversations (id, workspace_id, contact_id, whatsapp_number_id, channel, last_message, participants, updated_at) values
  ('5511987654321@s.whatsapp.net', 'w1', 'contact', 'number', 'whatsapp', '{"id": "m2", "content": "Tudo bem", "senderId": "user", "createdAt": "2026-01-02T10:00:00+00:00"}', '[{"id": "5511987654321@s.whatsapp.net", "name": "Ana", "avatar": null}]', '2026-01-02 10:00:01.5'),
  ('5511987654322@s.whatsapp.net', 'w1', null, null, null, null, null, '2026-01-03'),
  ('5511987654323@s.whatsapp.net', 'w2', null, null, null, null, null, '2026-01-03');
insert into messages (id, workspace_id, conversation_id, sender_id, type, content, reply_to_message_id, status, attachments, metadata, external_message_id, created_at, updated_at) values
  ('m1', 'w1', '5511987654321@s.whatsapp.net', '5511987654321@s.whatsapp.net', 'image', null, null, 'delivered', '[{"id": "x", "messageId": "m1", "type": "image", "url": "https://media.example/a.jpg", "thumbnailUrl": null}]', null, 'WA1', '2026-01-02 09:00:00.001', null),
  ('m2', 'w1', '5511987654321@s.whatsapp.net', 'user', 'text', 'Tudo bem', 'm1', 'read', null, '{"clientMessageId": "opt_1"}', null, '2026-01-02 10:00', '2026-01-02 10:00:02'),
  ('m3', 'w2', '5511987654321@s.whatsapp.net', 'user', 'text', 'of another workspace', null, 'read', null, null, null, '2026-01-02 09:30', null);
`

// TestGolden: the answers, byte for byte.
func TestGolden(t *testing.T) {
	t.Parallel()
	ours, theirs := serve(t, "crm", nil, schemas.CRM, crm), serve(t, "chatengine", nil, schemas.ChatEngine, chatEngine)
	for name, tt := range map[string]struct {
		*world
		workspace, target string
	}{
		"crm-conversations":        {ours, id("f1"), "/api/chat/conversations"},
		"crm-messages":             {ours, id("f1"), "/api/chat/messages?conversationId=" + id("c1")},
		"crm-media":                {ours, id("f1"), "/api/chat/messages?conversationId=" + id("c2")},
		"crm-nothing":              {ours, id("f3"), "/api/chat/conversations"},
		"chatengine-conversations": {theirs, "w1", "/api/chat/conversations"},
		"chatengine-messages":      {theirs, "w1", "/api/chat/messages?conversationId=" + url.QueryEscape("5511987654321@s.whatsapp.net")},
	} {
		res, body := tt.get(tt.target, token(t, tt.workspace, "user"), "Origin", page)
		for header, want := range map[string]string{
			"Content-Type": "application/json", "Cache-Control": "no-store", "Access-Control-Allow-Origin": page, "Vary": "Origin",
		} {
			if got := res.Header.Get(header); got != want {
				t.Errorf("%s: %s is %q, want %q", name, header, got, want)
			}
		}
		if res.StatusCode != http.StatusOK || res.ContentLength != int64(len(body)) {
			t.Errorf("%s: %s, %d bytes of %d", name, res.Status, len(body), res.ContentLength)
		}
		file := filepath.Join("testdata", name+".json")
		text := strings.ReplaceAll(body, "},{\"id\"", "},\n{\"id\"") + "\n"
		if *update {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil || string(want) != text {
			t.Errorf("%s: got\n%swant\n%s%v", name, text, want, err)
		}
		head, none := tt.ask(http.MethodHead, tt.target, "", "Authorization", "Bearer "+token(t, tt.workspace, "user"))
		if head.StatusCode != http.StatusOK || head.ContentLength != res.ContentLength || none != "" {
			t.Errorf("%s: HEAD: %s, %d bytes, %q", name, head.Status, head.ContentLength, none)
		}
	}
}

// TestParameters: what they may be, and what becomes of what they are not.
func TestParameters(t *testing.T) {
	t.Parallel()
	w := serve(t, "crm", nil, schemas.CRM, crm, `insert into messages (conversation_id, workspace_id, body, created_at)
		select u('c9'), u('f2'), 'x', '2026-03-01'::timestamptz + n * interval '1 minute' from generate_series(1, 300) n`)
	mine, other := token(t, id("f1"), "user"), token(t, id("f2"), "user")
	c1 := "conversationId=" + id("c1")
	for query, want := range map[string]string{
		c1:                                                   "b1 b2 b3",
		c1 + "&since=2026-01-30T00:00:00.000Z":               "b2 b3",
		c1 + "&since=2026-01-29T23:59:59.999Z":               "b1 b2 b3",
		c1 + "&since=2026-02-02T00:00:00.123Z":               "b2 b3", // made after it
		c1 + "&since=2026-02-02T00:00:00.124Z":               "b3",
		c1 + "&since=2026-02-02T00:00:00.123456%2B00:00":     "b3",
		c1 + "&since=2026-02-02T01:00:00%2B01:00":            "b2 b3",
		c1 + "&since=2026-02-02T01:00:00+01:00":              "b2 b3", // a + is a space
		c1 + "&since=2026-02-02 00:00:01":                    "b3",
		c1 + "&since=2026-02-02":                             "b2 b3",
		c1 + "&since=2026-02":                                "b2 b3",
		c1 + "&since=2026":                                   "b1 b2 b3",
		c1 + "&since=Mon, 02 Feb 2026 00:00:00 GMT":          "b2 b3",
		c1 + "&since=0000-01-01T00:00:00Z":                   "b1 b2 b3",
		c1 + "&since=9999-12-31T23:59:59.999999999-23:59":    "",
		c1 + "&since=":                                       "b1 b2 b3",
		c1 + "&limit=2":                                      "b1 b2",
		c1 + "&limit=1&since=2026-01-30T00:00:00Z":           "b2",
		c1 + "&limit=0":                                      "b1 b2 b3",
		c1 + "&limit=-7":                                     "b1 b2 b3",
		c1 + "&limit=":                                       "b1 b2 b3",
		c1 + "&limit=99999999999999999999":                   "b1 b2 b3",
		c1 + "&conversationId=" + id("c9"):                   "b1 b2 b3", // the first counts
		c1 + "&workspaceId=" + id("f2"):                      "b1 b2 b3",
		"conversationId=" + strings.ToUpper(id("c1")):        "b1 b2 b3",
		"conversationId=" + id("c9"):                         "",
		"conversationId=" + id("ff"):                         "",
		"conversationId=no uuid":                             "",
		"conversationId=%00%ff":                              "",
		"conversationId=' or true --":                        "",
		"conversationId=" + id("c1") + "%00":                 "",
		"conversationId={" + id("c1") + "," + id("c9") + "}": "",
		"conversationId=" + id("c1") + "%27%20or%20workspace_id%3D%27" + id("f2"): "",
		"":                           "400 conversationId é obrigatório",
		"conversationid=" + id("c1"): "400 conversationId é obrigatório",
		"conversationId=" + strings.Repeat("x", 513):      "400 conversationId is too long",
		c1 + "&since=yesterday":                           "400 since is no time: write it as 2026-01-31T12:00:00.000Z",
		c1 + "&since=1767225600000":                       "400 since is no time: write it as 2026-01-31T12:00:00.000Z",
		c1 + "&since=2026-02-31T00:00:00Z":                "400 since is no time: write it as 2026-01-31T12:00:00.000Z",
		c1 + "&since=infinity":                            "400 since is no time: write it as 2026-01-31T12:00:00.000Z",
		c1 + "&since=2026-02-02'; drop table messages --": "400 since is no time: write it as 2026-01-31T12:00:00.000Z",
		c1 + "&since=2026-02-02;x=1":                      "400 since is no time: write it as 2026-01-31T12:00:00.000Z",
		c1 + "&since=%zz":                                 "400 the query cannot be read",
		c1 + "&limit=ten":                                 "400 limit is no whole number",
		c1 + "&limit=1.5":                                 "400 limit is no whole number",
		c1 + "&limit=0x10":                                "400 limit is no whole number",
		c1 + "&limit=" + strings.Repeat("9", 100):         "400 limit is no whole number",
	} {
		res, body := w.get("/api/chat/messages?"+strings.ReplaceAll(query, " ", "%20"), mine)
		status, words, bad := strings.Cut(want, " ")
		if bad = bad && status == "400"; !bad {
			if res.StatusCode != http.StatusOK || ids(t, body) != want {
				t.Errorf("%s: %s %s, want %s", query, res.Status, body, want)
			}
			continue
		}
		var answer struct{ Error, Message string }
		if err := json.Unmarshal([]byte(body), &answer); err != nil || res.StatusCode != http.StatusBadRequest || answer.Error != words || answer.Message == "" {
			t.Errorf("%s: %s %s, want %s", query, res.Status, body, words)
		}
	}
	for limit, want := range map[string]int{"": 50, "&limit=51": 51, "&limit=200": 200, "&limit=201": 200, "&limit=1000000": 200} {
		if _, body := w.get("/api/chat/messages?conversationId="+id("c9")+limit, other); strings.Count(ids(t, body), " ")+1 != want {
			t.Errorf("%s: %d messages, want %d", limit, strings.Count(ids(t, body), " ")+1, want)
		}
	}
}

// TestIsolation: whatever is asked for with a workspace's token, no row of another comes.
func TestIsolation(t *testing.T) {
	t.Parallel()
	w := serve(t, "crm", nil, schemas.CRM, crm)
	for _, who := range []struct{ workspace, user, foreign, own string }{
		{"f1", "d1", "f2", "Ana"}, {"f2", "d2", "f1", "Bia"},
	} {
		credentials := [][]string{
			{"Authorization", "Bearer " + token(t, id(who.workspace), "user")},
			{"Authorization", "Bearer " + token(t, id(who.workspace), "user"), "X-Workspace-Id", id(who.foreign)},
			{"Authorization", "Bearer " + session(t, id(who.user), time.Now().Add(time.Hour)), "X-Workspace-Id", id(who.workspace)},
		}
		for _, header := range credentials {
			for _, target := range []string{
				"/api/chat/conversations", "/api/chat/conversations?workspaceId=" + id(who.foreign), "/api/chat/conversations?workspace_id=" + id(who.foreign),
				"/api/chat/messages?conversationId=" + id("c1"), "/api/chat/messages?conversationId=" + id("c9"),
				"/api/chat/messages?conversationId=" + id("c9") + "&workspaceId=" + id(who.foreign) + "&since=1970-01-01T00:00:00Z&limit=200",
				"/api/chat/messages?conversationId=" + id("c1") + "&workspaceId=" + id(who.foreign) + "&since=1970-01-01T00:00:00Z&limit=200",
			} {
				res, body := w.ask(http.MethodGet, target, "", header...)
				if res.StatusCode != http.StatusOK || strings.Contains(body, id(who.foreign)) {
					t.Errorf("%s with %s's token: %s %s", target, who.workspace, res.Status, body)
				}
				if strings.HasPrefix(target, "/api/chat/conversations") && !strings.Contains(body, who.own) {
					t.Errorf("%s with %s's token lacks %s: %s", target, who.workspace, who.own, body)
				}
			}
		}
		// A session is of a workspace that its user is a member of.
		res, body := w.get("/api/chat/conversations", session(t, id(who.user), time.Now().Add(time.Hour)), "X-Workspace-Id", id(who.foreign))
		if res.StatusCode != http.StatusForbidden || strings.Contains(body, "participants") {
			t.Errorf("%s of a workspace that it is none of: %s %s", who.user, res.Status, body)
		}
	}
}

// TestTokens: who is refused, in ChatEngine's words, in a way that its page can read.
func TestTokens(t *testing.T) {
	t.Parallel()
	w := serve(t, "crm", nil, schemas.CRM, crm)
	soon := time.Now().Add(time.Hour)
	for name, tt := range map[string]struct {
		header        []string
		target        string
		status        int
		words, reason string
	}{
		"none":                      {nil, "", 401, "Token de autenticação ausente ou inválido", "token_missing"},
		"of another scheme":         {[]string{"Authorization", "Basic " + token(t, id("f1"), "u")}, "", 401, "Token de autenticação ausente ou inválido", "token_missing"},
		"no JWT":                    {[]string{"Authorization", "Bearer x"}, "", 401, "Token de autenticação inválido", "token_malformed"},
		"forged":                    {[]string{"Authorization", "Bearer " + token(t, id("f1"), "u") + "x"}, "", 401, "Token de autenticação inválido", ""},
		"expired":                   {[]string{"Authorization", "Bearer " + session(t, id("d1"), time.Now().Add(-time.Hour)), "X-Workspace-Id", id("f1")}, "", 401, "Token de autenticação inválido", "token_expired"},
		"without a workspace":       {[]string{"Authorization", "Bearer " + session(t, id("d1"), soon)}, "", 403, "workspace_id ausente no token", "workspace_missing"},
		"of no member":              {[]string{"Authorization", "Bearer " + session(t, id("d1"), soon)}, "?workspaceId=" + id("f2"), 403, "the user is not a member of the workspace", "not_a_member"},
		"of a stranger":             {[]string{"Authorization", "Bearer " + session(t, id("d7"), soon)}, "?workspaceId=" + id("f1"), 403, "the user is not a member of the workspace", "not_a_member"},
		"in the query, by default":  {nil, "?token=" + token(t, id("f1"), "u"), 401, "Token de autenticação ausente ou inválido", "token_missing"},
		"a member, query":           {[]string{"Authorization", "Bearer " + session(t, id("d1"), soon)}, "?workspaceId=" + id("f1"), 200, "", ""},
		"a member, header":          {[]string{"Authorization", "Bearer " + session(t, id("d1"), soon), "X-Workspace-Id", id("f1")}, "", 200, "", ""},
		"of ChatEngine":             {[]string{"Authorization", "bearer " + token(t, id("f1"), "u")}, "", 200, "", ""},
		"of a workspace of nothing": {[]string{"Authorization", "Bearer " + token(t, "no uuid", "u")}, "", 200, "", ""},
	} {
		res, body := w.ask(http.MethodGet, "/api/chat/conversations"+tt.target, "", append(tt.header, "Origin", page)...)
		var answer struct{ Error, Message, Reason string }
		if tt.status != 200 {
			if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.Message == "" {
				t.Errorf("%s: %s", name, body)
			}
		}
		if res.StatusCode != tt.status || answer.Error != tt.words || tt.status != http.StatusOK && answer.Reason == "" || tt.reason != "" && answer.Reason != tt.reason || res.Header.Get("Access-Control-Allow-Origin") != page {
			t.Errorf("%s: %s %s %v, want %d %s %s", name, res.Status, body, res.Header, tt.status, tt.words, tt.reason)
		}
	}
	// Nothing of a token is logged.
	if n := w.log.count("eyJ"); n > 0 {
		t.Errorf("%d tokens are in the log", n)
	}
}

// TestDatabaseAway: what cannot be read is said, in a way that makes a CRM try again.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	w := serve(t, "crm", nil, schemas.CRM, crm)
	if err := pgtest.Exec(t.Context(), w.dsn, "alter table messages rename to elsewhere"); err != nil {
		t.Fatal(err)
	}
	mine := token(t, id("f1"), "user")
	for range 3 {
		res, body := w.get("/api/chat/messages?conversationId="+id("c1"), mine, "Origin", page)
		if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" || res.Header.Get("Access-Control-Allow-Origin") != page ||
			!strings.Contains(body, `"error":"the database does not answer"`) || !strings.Contains(body, `"message":"the database does not answer"`) {
			t.Errorf("%s %v %s", res.Status, res.Header, body)
		}
	}
	if err := pgtest.Exec(t.Context(), w.dsn, "alter table elsewhere rename to messages"); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for { // it pauses after a failure
		if res, _ := w.get("/api/chat/messages?conversationId="+id("c1"), mine); res.StatusCode == http.StatusOK {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it does not recover")
		}
		time.Sleep(20 * time.Millisecond) // the pause is not to be awaited otherwise
	}
	if n, m := w.log.count("cannot be answered"), w.log.count("again"); n != 1 || m != 1 {
		t.Errorf("logged %d times, and %d times that it is over", n, m)
	}
	w.await(func(s rest.Stats) bool {
		return s.Requests["messages"]["503"] >= 3 && s.Requests["messages"]["200"] == 1 && s.Rows["messages"] == 3 && s.Spent["messages"] > 0 && s.UnderWay == 0
	})
}

// TestListsAreShared: equal questions at the same time are asked once, each workspace's
// apart; one whose client goes does not end the others'.
func TestListsAreShared(t *testing.T) {
	t.Parallel()
	w := serve(t, "crm", nil, schemas.CRM, crm)
	conn, err := pgx.Connect(t.Context(), w.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	for _, sql := range []string{"begin", "lock table conversations"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	gone, leave := context.WithCancel(t.Context())
	asked := make(chan error, 1)
	go func() {
		r, err := http.NewRequestWithContext(gone, http.MethodGet, w.url+"/api/chat/conversations", nil)
		if err == nil {
			r.Header.Set("Authorization", "Bearer "+token(t, id("f1"), "first"))
			_, err = http.DefaultClient.Do(r) //nolint:bodyclose // it has none: its client goes
		}
		asked <- err
	}()
	w.await(func(s rest.Stats) bool { return s.UnderWay == 1 })
	type answer struct{ workspace, body string }
	answers := make(chan answer, 12)
	for i := range 12 {
		workspace := []string{"f1", "f2"}[i%2]
		go func() {
			res, body := w.get("/api/chat/conversations", token(t, id(workspace), fmt.Sprint(i)))
			answers <- answer{workspace, fmt.Sprint(res.StatusCode, " ", body)}
		}()
	}
	w.await(func(s rest.Stats) bool { return s.UnderWay == 13 })
	leave()
	if err := <-asked; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := conn.Exec(t.Context(), "commit"); err != nil {
		t.Fatal(err)
	}
	for range 12 {
		a := <-answers
		if other := map[string]string{"f1": "f2", "f2": "f1"}[a.workspace]; !strings.HasPrefix(a.body, "200 [{") || strings.Contains(a.body, id(other)) {
			t.Errorf("%s got %s", a.workspace, a.body)
		}
	}
	if s := w.tables.Stats(); s.Readings > 8 {
		t.Errorf("%d readings for 13 requests of two workspaces", s.Readings)
	}
}
