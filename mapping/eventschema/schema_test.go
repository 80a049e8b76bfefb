package eventschema_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"chatbridge/mapping/eventschema"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write docs/events.schema.json anew")

const published = "../../docs/events.schema.json"

func TestPublishedSchemaIsTheTypes(t *testing.T) {
	want, err := eventschema.Generate()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(published, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(published)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("docs/events.schema.json is not what the types say; run go test ./mapping/eventschema -update:\n%s", diff)
	}
}

func TestValidate(t *testing.T) {
	v, err := eventschema.New()
	if err != nil {
		t.Fatal(err)
	}
	message := `{"id":"m","workspaceId":"w","conversationId":"c","senderId":"me","type":"text","content":"","status":"sent","createdAt":"2026-02-05T18:58:02.123Z"}`
	conversation := `{"id":"c","workspaceId":"w","channel":"whatsapp","participants":[{"id":"p","name":"Ana"}],"updatedAt":"2026-02-05T18:58:02.123Z"}`
	cases := []struct {
		name, event, payload string
		valid                bool
	}{
		{"a message", "message", message, true},
		{"a year before Christ", "message", strings.Replace(message, "2026", "-000043", 1), true},
		{"an attachment", "message", strings.Replace(message, `"status"`, `"attachments":[{"id":"a","messageId":"m","type":"image","url":"u","more":1}],"status"`, 1), true},
		{"an attachment without its url", "message", strings.Replace(message, `"status"`, `"attachments":[{"id":"a","messageId":"m","type":"image"}],"status"`, 1), false},
		{"a null member", "message", strings.Replace(message, `"status"`, `"metadata":null,"status"`, 1), false},
		{"microseconds", "message", strings.Replace(message, ".123Z", ".123456Z", 1), false},
		{"an unknown type", "message", strings.Replace(message, `"text"`, `"sticker"`, 1), false},
		{"a missing content", "message", strings.Replace(message, `"content":"",`, ``, 1), false},
		{"an unknown member", "message", strings.Replace(message, `"status"`, `"body":"x","status"`, 1), false},
		{"a conversation", "conversation", conversation, true},
		{"participants are missing", "conversation", strings.Replace(conversation, `"participants":[{"id":"p","name":"Ana"}],`, "", 1), false},
		{"a null avatar", "conversation", strings.Replace(conversation, `"Ana"`, `"Ana","avatar":null`, 1), false},
		{"a last message without its time", "conversation", strings.Replace(conversation, `"updatedAt"`, `"lastMessage":{"id":"m","content":"","senderId":"me"},"updatedAt"`, 1), false},
		{"a status", "messageStatus", `{"messageId":"m","status":"read","conversationId":"c"}`, true},
		{"a provider's word", "messageStatus", `{"messageId":"m","status":"READ","conversationId":"c"}`, false},
		{"typing", "typing", `{"conversationId":"c","userId":"u","isTyping":true}`, true},
		{"typing as text", "typing", `{"conversationId":"c","userId":"u","isTyping":"t"}`, false},
		{"an event that is none", "ping", `{}`, false},
		{"no JSON", "typing", `{`, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := v.Validate(c.event, []byte(c.payload))
			if (err == nil) != c.valid {
				t.Errorf("valid is %v, want %v: %v", err == nil, c.valid, err)
			}
		})
	}
}
