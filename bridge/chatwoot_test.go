package bridge_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
)

// With Chatwoot's tables: the attachments' table is published too, a private note
// reaches nobody, and a message whose attachment comes later comes again with it.
func TestChatwootThroughTheDaemon(t *testing.T) {
	t.Parallel()
	dsn := pgtest.DB(t, schemas.Chatwoot, `insert into contacts (account_id, name, phone_number) values (1, 'Ana', '+5511987654321');
insert into conversations (account_id, inbox_id, contact_id, display_id) values (1, 4, 1, 1)`)
	d := startDaemon(t, dsn, "BRIDGE_MAPPING_PRESET=chatwoot")
	d.ready()
	c := d.clientOf("1", "1")
	d.live(1)
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	const message = "insert into messages (account_id, inbox_id, conversation_id, message_type, private, content) values (1, 4, 1, 0, %t, '%s')"
	for _, sql := range []string{
		fmt.Sprintf(message, true, "a note"), fmt.Sprintf(message, false, "a picture"),
		"insert into attachments (message_id, account_id, external_url) values (1, 1, 'https://cdn/note')",
		"insert into attachments (message_id, account_id, external_url) values (2, 1, 'https://cdn/picture')",
		fmt.Sprintf(message, false, "the end"),
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	var messages []string
	c.await("the last message", func(events []event) bool {
		messages = nil
		for _, e := range events {
			if e.Name == "message" {
				messages = append(messages, fmt.Sprintf("%v %v %v", e.Payload["content"], e.Payload["senderId"], e.Payload["attachments"]))
			}
		}
		return len(messages) > 0 && messages[len(messages)-1] == "the end +5511987654321 <nil>"
	})
	want := []string{
		"a picture +5511987654321 <nil>",
		"a picture +5511987654321 [map[id:2 messageId:2 type:image url:https://cdn/picture]]",
		"the end +5511987654321 <nil>",
	}
	if fmt.Sprint(messages) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", messages, want)
	}
}
