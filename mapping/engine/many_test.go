package engine_test

import (
	"strings"
	"testing"

	"chatbridge/mapping/engine"
)

var (
	chatwootMessage = fields{
		"id": "m1", "account_id": "1", "conversation_id": "c1", "message_type": "0", "private": "f", "content": "hi",
		"status": "0", "created_at": "2026-01-01 00:00:00",
	}
	chatwootFile = fields{"id": "f1", "account_id": "1", "message_id": "m1", "file_type": "0", "external_url": "https://cdn/1"}
)

// A message whose attachment came while look-ups failed is owed, and sent complete when
// they work again.
func TestMessageWithAttachmentsIsOwed(t *testing.T) {
	t.Parallel()
	spec := load(t, "chatwoot")
	f := &flaky{down: true, Lookup: &answers{found: []engine.Found{
		found(spec, "message", false, chatwootMessage), found(spec, "file", false, chatwootFile),
		found(spec, "conversation", false, fields{"id": "c1", "account_id": "1", "contact_id": "p1"}),
		found(spec, "contact", false, fields{"id": "p1", "account_id": "1", "phone_number": "+5511987654321"}),
	}}}
	w := newWorld(t, spec, engine.Options{Lookup: f})
	if events := w.tx(insert("attachments", chatwootFile)); len(events) > 0 || w.m.Owed() != 1 {
		t.Fatalf("%d owed; %s", w.m.Owed(), payloads(events))
	}
	if events, answered := w.settle(); answered || len(events) > 0 {
		t.Fatalf("settled while look-ups fail: %s", payloads(events))
	}
	f.down = false
	events, answered := w.settle()
	if got := payloads(events); !answered || len(events) != 1 || !strings.Contains(got, `"url":"https://cdn/1"`) || !strings.Contains(got, `"senderId":"+5511987654321"`) || w.m.Owed() != 0 {
		t.Errorf("answered %t, %d owed: %s", answered, w.m.Owed(), got)
	}
}

// What the stream shows of attachments is newer than what a look-up finds.
func TestAttachmentsAreAsTheStreamHasThem(t *testing.T) {
	t.Parallel()
	spec := load(t, "chatwoot")
	second := chatwootFile.with(fields{"id": "f2", "external_url": "https://cdn/2"})
	a := &answers{found: []engine.Found{
		found(spec, "message", false, chatwootMessage), found(spec, "file", false, chatwootFile), found(spec, "file", false, second),
		found(spec, "file", false, chatwootFile.with(fields{"id": "f9", "account_id": "2", "external_url": "https://cdn/another-account"})),
	}}
	w := newWorld(t, spec, engine.Options{Lookup: a})
	events := w.tx(
		insert("attachments", chatwootFile.with(fields{"id": "f3", "external_url": "https://cdn/3"})),
		update("attachments", chatwootFile, chatwootFile.with(fields{"external_url": "https://cdn/new"})),
		deleted("attachments", second))
	got := payloads(events)
	if len(events) != 1 || len(a.asked[0].Many) != 1 || len(a.asked[0].Many[0].Keys) != 1 {
		t.Fatalf("asked %+v: %s", a.asked, got)
	}
	for url, want := range map[string]bool{"new": true, "3": true, "1": false, "2": false, "another-account": false} {
		if strings.Contains(got, `"https://cdn/`+url+`"`) != want {
			t.Errorf("%s is shown: %t", url, !want)
		}
	}
	events = w.tx(insert("messages", chatwootMessage.with(fields{"id": "m2"})), insert("attachments", chatwootFile.with(fields{"message_id": "m2", "id": "f4"})))
	if len(events) != 2 || !strings.Contains(string(events[0].Payload), `"url":"https://cdn/1"`) {
		t.Errorf("an inserted message does not come once, with what came with it: %s", payloads(events))
	}
	for _, need := range a.asked[1:] {
		if len(need.Many) > 0 {
			t.Errorf("asked for %v, which the stream has", need.Many)
		}
	}
}
