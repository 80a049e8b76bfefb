package engine_test

import (
	"strings"
	"testing"

	"chatbridge/mapping"
	"chatbridge/mapping/engine"
	"chatbridge/source"
)

// withNotes is the CRM's mapping in which messages with a quoted message are private
// notes.
func withNotes(t *testing.T) *mapping.Spec {
	t.Helper()
	spec, err := mapping.Parse("crm", "own.yaml", []byte("message: {where: {column: quoted_message, is: null}}"))
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

var note = fields{"quoted_message": `{"note": true}`}

// A message that is left out makes nothing; it comes and goes as if it was inserted and
// deleted, and nothing that is left out is a preview.
func TestMessagesAreLeftOut(t *testing.T) {
	t.Parallel()
	spec := withNotes(t)
	for _, identity := range []source.Identity{source.IdentityFull, source.IdentityDefault} {
		a := &answers{found: []engine.Found{
			found(spec, "conversation", false, conversation), found(spec, "contact", false, ana), found(spec, "message", true, written(9, fields{"body": "older"})),
		}}
		w := newWorld(t, spec, engine.Options{Lookup: a})
		w.identity = identity
		step := func(name string, s step, want ...string) {
			t.Helper()
			if identity == source.IdentityDefault {
				s.old = nil
			}
			events := w.tx(s)
			got := payloads(events)
			if len(events) != len(want) {
				t.Fatalf("%s, identity %d: want %d events, got %s", name, identity, len(want), got)
			}
			for _, piece := range want {
				if !strings.Contains(got, piece) {
					t.Errorf("%s, identity %d: want %s in %s", name, identity, piece, got)
				}
			}
		}
		visible := written(12, nil)
		hidden := visible.with(note)
		step("a note", insert("messages", hidden))
		step("its status", update("messages", hidden, hidden.with(fields{"status": "read"})))
		hidden = hidden.with(fields{"status": "read"})
		step("an older preview", update("conversations", conversation, conversation.with(fields{"last_message_at": "2026-02-06 00:00:00+00"})), `"content":"older"`)
		step("it is for all", update("messages", hidden, visible), `message {"id":"m12"`, `"lastMessage":{"id":"m12"`)
		step("it is a note again", update("messages", visible, hidden), `"content":"older"`)
		step("it is deleted", deleted("messages", hidden))
		if n := w.m.Stats().Skipped["where"]; n != 3 {
			t.Errorf("identity %d: %d rows were counted as left out, want 3", identity, n)
		}
	}
}

// Where a condition reads a value that the source did not send, and that cannot be had,
// nothing is sent, and that is counted.
func TestUnsentConditionSendsNothing(t *testing.T) {
	t.Parallel()
	spec := withNotes(t)
	w := newWorld(t, spec, engine.Options{})
	w.identity = source.IdentityDefault
	events := w.tx(update("messages", nil, written(12, fields{"quoted_message": unchanged, "status": "read"})))
	if s := w.m.Stats(); len(events) > 1 || s.Events["message"]+s.Events["messageStatus"] > 0 || s.Unmappable["value_not_sent"] == 0 || len(w.warnings) == 0 {
		t.Errorf("%+v %v: %s", s.Unmappable, w.warnings, payloads(events))
	}
	// With somebody to ask it is decided by the row.
	for body, want := range map[string]int{"": 1, `{"note": true}`: 0} {
		row := written(12, fields{"status": "read"})
		if row["quoted_message"] = nil; body != "" {
			row["quoted_message"] = body
		}
		w := newWorld(t, spec, engine.Options{Lookup: &answers{found: []engine.Found{found(spec, "conversation", false, conversation), found(spec, "message", false, row)}}})
		w.identity = source.IdentityDefault
		w.tx(update("messages", nil, row.with(fields{"quoted_message": unchanged})))
		if n := w.m.Stats().Events["message"]; n != uint64(want) {
			t.Errorf("%q: %d messages, want %d", body, n, want)
		}
	}
}
