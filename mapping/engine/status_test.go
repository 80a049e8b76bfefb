package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"chatbridge/mapping"
	"chatbridge/mapping/contract"
	"chatbridge/mapping/engine"
	"chatbridge/source"
)

// statusesOf lists the events as clients see them: s for messageStatus, m for
// message, with the status.
func statusesOf(events []contract.Event) string {
	var out []string
	for _, e := range events {
		if e.Kind == contract.Message || e.Kind == contract.MessageStatus {
			_, s, _ := strings.Cut(string(e.Payload), `"status":"`)
			s, _, _ = strings.Cut(s, `"`)
			if string(e.Status) != s {
				s += "/" + string(e.Status)
			}
			out = append(out, map[contract.Kind]string{contract.Message: "m ", contract.MessageStatus: "s "}[e.Kind]+s)
		}
	}
	return strings.Join(out, ", ")
}

// A status that means none makes no messageStatus, and a message that is sent
// again keeps the status that it had.
func TestStatusesNeverStepBack(t *testing.T) {
	t.Parallel()
	null := any(nil)
	steps := []struct {
		status  any
		body    string
		want    string
		forgets string // what comes where old rows are not sent
	}{
		{"read", "a", "s read", ""},
		{"DELETED", "a", "", ""},
		{"DELETED", "b", "m read", ""},
		{"DELETED", "c", "m read", ""},
		{null, "c", "", ""},
		{null, "d", "m read", ""},
		{"TELEPORTED", "e", "m read", ""},
		{"", "e", "", ""},
		{"READ", "f", "s read, m read", "m read"},
		{"DELIVERY_ACK", "f", "s delivered", ""}, // a late webhook: what a reload shows
		{"revoked", "f", "", ""},
		{"revoked", "g", "m delivered", ""},
		{"failed", "g", "s failed", ""},
	}
	for _, identity := range []source.Identity{source.IdentityFull, source.IdentityDefault} {
		t.Run(fmt.Sprint("identity ", identity), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, load(t, "crm"), engine.Options{})
			w.identity = identity
			row := message.with(fields{"is_outgoing": "t", "body": "a"})
			w.tx(insert("messages", row))
			for i, s := range steps {
				next, old := row.with(fields{"status": s.status, "body": s.body}), row
				want := s.want
				if identity == source.IdentityDefault {
					if old = nil; s.forgets != "" {
						want = s.forgets
					}
				}
				if got := statusesOf(w.tx(update("messages", old, next))); got != want {
					t.Errorf("step %d, to %v: %q, want %q", i, s.status, got, want)
				}
				row = next
			}
		})
	}
}

// Where nobody knows what the status was the fallback is for message alone.
func TestStatusFallback(t *testing.T) {
	t.Parallel()
	for _, status := range []any{"DELETED", "TELEPORTED", nil, ""} {
		w := newWorld(t, load(t, "crm"), engine.Options{})
		w.identity = source.IdentityDefault
		row := message.with(fields{"status": status})
		if got := statusesOf(w.tx(update("messages", nil, row))); got != "" {
			t.Errorf("%v, nothing known: %q", status, got)
		}
		if got := statusesOf(w.tx(update("messages", nil, row.with(fields{"body": "edited"})))); got != "m sent" {
			t.Errorf("%v, edited: %q", status, got)
		}
		if got := statusesOf(w.tx(insert("messages", row.with(fields{"id": "m2"})))); got != "m sent" {
			t.Errorf("%v, inserted: %q", status, got)
		}
	}
}

// What is unknown is counted and told of once, what is known to mean nothing is
// not; neither goes unseen.
func TestUnknownStatusIsCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, load(t, "crm"), engine.Options{})
	old := message
	for _, status := range []any{"DELETED", "TELEPORTED", "TELEPORTED!", nil} {
		next := old.with(fields{"status": status})
		w.tx(update("messages", old, next))
		old = next
	}
	s := w.m.Stats()
	if s.UnknownWords["message.status"] != 2 || s.Skipped["no_status"] != 4 || s.Unmappable["no_member"] != 0 {
		t.Errorf("unknown words %v, skipped %v, unmappable %v", s.UnknownWords, s.Skipped, s.Unmappable)
	}
	if len(w.warnings) != 1 || w.warnings[0].Reason != "unknown_word" || !strings.Contains(w.warnings[0].Detail, "no messageStatus") {
		t.Errorf("warnings %+v", w.warnings)
	}
}

// updated_at moves along with a status that means nothing: no event either.
func TestStatusOfChatEngineIsNoEdit(t *testing.T) {
	t.Parallel()
	row := fields{
		"id": "m1", "workspace_id": "w1", "conversation_id": "c1", "content": "hi", "status": "read", "type": "text", "sender_id": "s",
		"created_at": "2026-02-05 18:58:02+00", "updated_at": nil, "attachments": nil, "metadata": nil, "external_message_id": nil, "reply_to_message_id": nil,
	}
	w := newWorld(t, load(t, "chatengine"), engine.Options{})
	w.tx(insert("messages", row))
	gone := row.with(fields{"status": "DELETED", "updated_at": "2026-02-05 18:59:02+00"})
	if got := statusesOf(w.tx(update("messages", row, gone))); got != "" {
		t.Errorf("got %q", got)
	}
	if got := statusesOf(w.tx(update("messages", gone, gone.with(fields{"content": ""})))); got != "m read" {
		t.Errorf("edited: %q", got)
	}
}

// The providers' words, in both presets.
func TestProvidersStatusWords(t *testing.T) {
	t.Parallel()
	words := map[string]string{
		"pending":   "pending PENDING 0 sending queued QUEUED accepted scheduled enqueued held_for_quality_assessment clock created paused",
		"sent":      "sent SENT 1 SERVER_ACK server SERVER submitted transmitted dispatched",
		"delivered": "delivered DELIVERED 2 DELIVERY_ACK device DEVICE received RECEIVED delivery",
		"read":      "read READ 3 4 5 PLAYED played seen SEEN consumed READ-SELF READ_BY_ME",
		"failed":    "failed error ERROR -1 -2 -3 undelivered UNDELIVERABLE rejected expired canceled cancelled NOT_DELIVERED NOT-SENT delivery_failed",
		"":          "DELETED deleted revoked unknown UNKNOWN warning",
	}
	for _, preset := range []string{"chatengine", "crm"} {
		w := newWorld(t, load(t, preset), engine.Options{})
		for status, list := range words {
			for _, word := range strings.Fields(list) {
				from := "read"
				if status == "read" {
					from = "sent"
				}
				old := message.with(fields{"status": from, "type": "text"})
				want := ""
				if status != "" {
					want = "s " + status
				}
				if got := statusesOf(w.tx(update("messages", old, old.with(fields{"status": word})))); got != want {
					t.Errorf("%s: %q: %q, want %q", preset, word, got, want)
				}
			}
		}
		if n := w.m.Stats().UnknownWords["message.status"]; n != 0 {
			t.Errorf("%s: %d unknown words", preset, n)
		}
	}
}

// A mapping of one's own: constants that a condition chooses are what the row
// says, the one at the end of a list is a fallback; a word of one's own list
// leaves the preset's.
func TestOwnStatuses(t *testing.T) {
	t.Parallel()
	world := func(yaml string) *world {
		spec, err := mapping.Parse("crm", "m.yaml", []byte(yaml))
		if err != nil {
			t.Fatal(err)
		}
		return newWorld(t, spec, engine.Options{})
	}
	plain := message.with(fields{"read_at": nil, "error_message": nil})
	w := world("message: {members: {status: [{if: error_message, then: {const: failed}}, {if: read_at, then: {const: read}}, {const: sent}]}}")
	read := plain.with(fields{"read_at": "now"})
	for _, c := range []struct {
		old, new fields
		want     string
	}{
		{plain, read, "s read"},
		{read, plain, ""},
		{read, plain.with(fields{"body": "edited"}), "m read"},
		{plain, plain.with(fields{"error_message": "x"}), "s failed"},
	} {
		if got := statusesOf(w.tx(update("messages", c.old, c.new))); got != c.want {
			t.Errorf("list: %q, want %q", got, c.want)
		}
	}
	w = world("message: {members: {status: {if: read_at, then: {const: read}, else: {const: sent}}}}")
	if got := statusesOf(w.tx(update("messages", read, plain))); got != "s sent" {
		t.Errorf("if: %q", got)
	}
	w = world("words: {status: {sent: [sent, queued], null: [received]}}")
	for word, want := range map[string]string{"queued": "s sent", "received": "", "QUEUED": "s sent", "accepted": "s pending"} {
		old := message.with(fields{"status": "read"})
		if got := statusesOf(w.tx(update("messages", old, old.with(fields{"status": word})))); got != want {
			t.Errorf("own word %s: %q, want %q", word, got, want)
		}
	}
}
