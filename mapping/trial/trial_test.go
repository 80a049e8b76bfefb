package trial_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"chatbridge/mapping"
	"chatbridge/mapping/engine"
	"chatbridge/mapping/trial"

	"github.com/google/go-cmp/cmp"
)

func run(t *testing.T, preset, table, in string) (out string, warnings []string, err error) {
	t.Helper()
	spec, err := mapping.Load(preset, "")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	err = trial.Run(strings.NewReader(in), &b, trial.Options{
		Spec: spec, Table: table, Time: time.Date(2026, 2, 5, 18, 58, 2, 0, time.UTC),
		Warn: func(w engine.Warning) { warnings = append(warnings, w.Reason) },
	})
	return b.String(), warnings, err
}

func TestRows(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, preset, table, in, want string }{
		{
			"a row of the table", "crm", "messages",
			`{"id": "m1", "workspace_id": "w", "conversation_id": "c", "body": "<b>", "is_outgoing": false, "size_bytes": 12, "media_url": "u", "created_at": "2026-01-01T00:00:00.5+00:00", "more": [1]}`,
			`{"event":"message","workspace":"w","conversation":"c","data":{"id":"m1","workspaceId":"w","conversationId":"c","senderId":"99900000000","type":"text","content":"<b>","attachments":[{"id":"m1","messageId":"m1","type":"file","url":"u","metadata":{"size":12}}],"status":"sent","createdAt":"2026-01-01T00:00:00.500Z"}}
{"event":"conversation","workspace":"w","conversation":"c","data":{"id":"c","workspaceId":"w","channel":"whatsapp","participants":[],"lastMessage":{"id":"m1","content":"<b>","senderId":"99900000000","createdAt":"2026-01-01T00:00:00.500Z"},"updatedAt":"2026-01-01T00:00:00.500Z"}}
`,
		},
		{
			"rows that stand for what the database has, then an update", "crm", "",
			`{"table": "contact", "new": {"id": "k", "workspace_id": "w", "name": "Ana", "phone": "5511987654321"}}
			 {"table": "public.conversations", "op": "INSERT", "new": {"id": "c", "workspace_id": "w", "contact_id": "k"}}
			 {"table": "conversations", "op": "update", "old": {"is_typing": false}, "new": {"id": "c", "workspace_id": "w", "contact_id": "k", "is_typing": true}}
			 {"table": "conversations", "op": "delete", "old": {"id": "c"}}`,
			`{"event":"conversation","workspace":"w","conversation":"c","data":{"id":"c","workspaceId":"w","contactId":"k","channel":"whatsapp","participants":[{"id":"k","name":"Ana"}],"updatedAt":"2026-02-05T18:58:02.000Z"}}
{"event":"typing","workspace":"w","conversation":"c","data":{"conversationId":"c","userId":"k","isTyping":true}}
`,
		},
		{
			"a list is one transaction", "chatengine", "message",
			`[{"id": "1", "workspace_id": "w", "conversation_id": "c", "content": null, "metadata": {"a": null}}, {"op": "update", "new": {"id": "1", "workspace_id": "w", "conversation_id": "c", "status": "read"}}]`,
			`{"event":"message","workspace":"w","conversation":"c","data":{"id":"1","workspaceId":"w","conversationId":"c","senderId":"system","type":"text","content":"","status":"sent","metadata":{"a":null},"createdAt":"2026-02-05T18:58:02.000Z"}}
{"event":"messageStatus","workspace":"w","conversation":"c","data":{"messageId":"1","status":"read","conversationId":"c"}}
{"event":"conversation","workspace":"w","conversation":"c","data":{"id":"c","workspaceId":"w","channel":"whatsapp","participants":[],"lastMessage":{"id":"1","content":"","senderId":"system","createdAt":"2026-02-05T18:58:02.000Z"},"updatedAt":"2026-02-05T18:58:02.000Z"}}
`,
		},
		{"nothing", "crm", "messages", " \n", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, _, err := run(t, c.preset, c.table, c.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWrongRows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, table, in, want string }{
		{"no table", "", `{"id": "1"}`, "row 1: of which table is the row?"},
		{"an unknown table", "mesages", `{}`, `the mapping has no table "mesages": it has messages, conversations, contacts`},
		{"an unknown table of a row", "messages", `{"id":"1","workspace_id":"w","conversation_id":"c"} {"table": "x", "new": {"id": "1"}}`, `row 2: the mapping has no table "x"`},
		{"an unknown operation", "messages", `{"op": "upsert", "new": {"id": "1"}}`, `op is insert, update or delete, not "upsert"`},
		{"no object", "messages", `17`, "a row is a JSON object"},
		{"no object of columns", "messages", `{"new": [1]}`, "a row is a JSON object of columns and values"},
		{"no columns", "messages", `{}`, "new has no columns"},
		{"no JSON", "messages", `{"id": `, "read row 1:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if _, _, err := run(t, "crm", c.table, c.in); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	_, warnings, err := run(t, "crm", "messages", `{"id": "1", "workspace_id": "w", "conversation_id": null}`)
	if err != nil || !strings.Contains(strings.Join(warnings, " "), "no_conversation") {
		t.Errorf("got %v, %v", warnings, err)
	}
}
