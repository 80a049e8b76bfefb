package far_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"chatbridge/bridge/far"
	"chatbridge/bridge/hub"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
)

// payloads are what a Page has, one a line.
func payloads(p far.Page) string {
	var out []string
	for _, payload := range p.Payloads {
		out = append(out, string(payload))
	}
	return strings.Join(out, "\n")
}

// TestPagesHaveWhatTheSocketSends: a page's messages and conversations are those of a
// catch-up, byte for byte, in the order that is ChatEngine's; of one workspace.
func TestPagesHaveWhatTheSocketSends(t *testing.T) {
	t.Parallel()
	for _, ids := range []bool{false, true} {
		o := far.DefaultOptions()
		o.ChatEngineIDs = ids
		r := far.New(pool(t, pgtest.DB(t, schemas.CRM, "alter table conversations disable trigger all", rows)), spec(t), o)
		var messages, conversations []string
		ask := &hub.FarAsk{Workspace: id("f1"), Until: at(4, 1), Conversations: at(1, 1).Add(-time.Hour), Of: map[string]time.Time{id("c1"): at(1, 1)}}
		if _, err := r.Read(t.Context(), ask, func(packets []hub.FarPacket) error {
			for _, p := range packets {
				var args []json.RawMessage
				if err := json.Unmarshal(p.Packet.Text()[1:], &args); err != nil {
					return err
				}
				switch string(args[0]) {
				case `"message"`:
					messages = append(messages, string(args[1]))
				case `"conversation"`:
					conversations = append([]string{string(args[1])}, conversations...)
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		page, err := r.Messages(t.Context(), id("f1"), id("c1"), time.Time{}, 50)
		if got, want := payloads(page), strings.Join(messages, "\n"); err != nil || got != want || page.Rows != 3 || len(messages) != 3 || page.Short {
			t.Errorf("messages: %d rows, %v\n%s\nwant\n%s", page.Rows, err, got, want)
		}
		if strings.Contains(payloads(page), `{"id":"WA1"`) != ids {
			t.Errorf("ChatEngine's ids %v: %s", ids, payloads(page))
		}
		page, err = r.Conversations(t.Context(), id("f1"))
		if got, want := payloads(page), strings.Join(conversations, "\n"); err != nil || got != want || page.Rows != 3 || len(conversations) != 3 || page.Short {
			t.Errorf("conversations: %d rows, %v\n%s\nwant\n%s", page.Rows, err, got, want)
		}
		for _, foreign := range []string{"c9", "c4"} {
			if page, err := r.Messages(t.Context(), id("f1"), id(foreign), time.Time{}, 50); err != nil || len(page.Payloads) != 0 || page.Rows != 0 {
				t.Errorf("%s, which is none of the workspace's: %s, %v", foreign, payloads(page), err)
			}
		}
	}
}

// TestPagesAreBounded: a page of large messages ends early, and not within a
// millisecond; who goes on from its last time gets the rest. What that cannot give is
// said.
func TestPagesAreBounded(t *testing.T) {
	t.Parallel()
	r := far.New(pool(t, pgtest.DB(t, schemas.CRM, rows, `insert into messages (conversation_id, workspace_id, body, created_at)
		select u('c3'), u('f1'), n || repeat('x', 1000000), '2026-03-01'::timestamptz + case when n < 10 then n else 10 end * interval '1 minute' from generate_series(1, 14) n;
		insert into messages (conversation_id, workspace_id, body, created_at) select u('c3'), u('f1'), repeat('y', 60000), '2026-03-01 12:00'::timestamptz + n * interval '1 second' from generate_series(1, 40) n;
		insert into messages (conversation_id, workspace_id, body, created_at) select u('c3'), u('f1'), 'x', '2026-03-02' from generate_series(1, 1100);
		insert into messages (conversation_id, workspace_id, body, created_at) values (u('c3'), u('f1'), 'last', '2026-03-03')`)), spec(t), far.DefaultOptions())
	var sizes []int
	var short []bool
	since := time.Time{}
	for range 3 {
		page, err := r.Messages(t.Context(), id("f1"), id("c3"), since, 40)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Payloads) == 0 {
			t.Fatalf("nothing since %v after %v", since, sizes)
		}
		var last struct{ CreatedAt time.Time }
		if err := json.Unmarshal(page.Payloads[len(page.Payloads)-1], &last); err != nil {
			t.Fatal(err)
		}
		since = last.CreatedAt
		sizes, short = append(sizes, len(page.Payloads)), append(short, page.Short)
	}
	if got := fmt.Sprint(sizes, short); got != "[15 1000 1] [false true false]" {
		t.Errorf("pages of so many messages, and whether they lack some: %s", got)
	}
	if s := r.Stats(); s.Truncated != 1 {
		t.Errorf("counted %+v", s)
	}
}
