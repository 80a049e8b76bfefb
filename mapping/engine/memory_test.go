package engine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"chatbridge/mapping/engine"
	"chatbridge/source"
)

// knownMessage is a row of ChatEngine's own table, whose updates come without
// the old row.
var knownMessage = fields{
	"id": "m1", "workspace_id": "w1", "conversation_id": "c1", "content": "x", "status": "sent",
	"created_at": "2026-01-01 00:00:00+00",
}

// TestForgetDropsStates: after a gap an update that brings a message back to
// the state before it is news, for what happened within the gap is not known.
func TestForgetDropsStates(t *testing.T) {
	t.Parallel()
	w := newWorld(t, load(t, "chatengine"), engine.Options{})
	w.identity = source.IdentityDefault
	w.tx(insert("messages", knownMessage))
	if got := outline(w.tx(update("messages", nil, knownMessage))); got != "" {
		t.Errorf("an update that changes nothing made events:\n%s", got)
	}
	w.m.Forget()
	if got := outline(w.tx(update("messages", nil, knownMessage))); !strings.Contains(got, "messageStatus c1 m1") {
		t.Errorf("after a gap an update made:\n%s", got)
	}
}

// TestDeletedConversationIsNotDue: also where a look-up would still, or again,
// find it.
func TestDeletedConversationIsNotDue(t *testing.T) {
	t.Parallel()
	spec := load(t, "crm")
	w := newWorld(t, spec, engine.Options{Lookup: &answers{found: []engine.Found{
		found(spec, "conversation", false, conversation), found(spec, "contact", false, ana),
	}}})
	got := outline(w.tx(insert("messages", message), step{op: source.Delete, table: "conversations", old: conversation}))
	if strings.Contains(got, " conversation c1") {
		t.Errorf("an event tells of a conversation that the transaction deleted:\n%s", got)
	}
}

// TestOneConversationEventForATransaction: a change that nobody would see does
// not take back the event that a message before it is due.
func TestOneConversationEventForATransaction(t *testing.T) {
	t.Parallel()
	w := newWorld(t, load(t, "crm"), engine.Options{})
	w.tx(insert("contacts", ana), insert("conversations", conversation))
	got := outline(w.tx(insert("messages", message),
		update("conversations", conversation, conversation.with(fields{"unread_count": "3"}))))
	expect(t, got, `
1 message c1 m1
9 conversation c1 c1
`)
}

// TestAnOldMessageIsNotTheNewest: an import of old messages leaves the last
// message what it is.
func TestAnOldMessageIsNotTheNewest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, load(t, "crm"), engine.Options{})
	w.tx(insert("contacts", ana), insert("conversations", conversation))
	w.tx(insert("messages", message))
	got := payloads(w.tx(insert("messages", message.with(fields{"id": "m0", "created_at": "2020-01-01 00:00:00+00"}))))
	if !strings.Contains(got, `"lastMessage":{"id":"m1"`) {
		t.Errorf("after an old message was inserted:\n%s", got)
	}
}

// TestDeletedMessageIsNotTheNewest: the list does not go on showing it.
func TestDeletedMessageIsNotTheNewest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, load(t, "crm"), engine.Options{})
	w.tx(insert("contacts", ana), insert("conversations", conversation), insert("messages", message))
	w.tx(step{op: source.Delete, table: "messages", old: message})
	got := payloads(w.tx(update("conversations", conversation, conversation.with(fields{"whatsapp_number_id": "n1"}))))
	if !strings.Contains(got, `"id":"c1"`) || strings.Contains(got, `"id":"m1"`) {
		t.Errorf("after the newest message was deleted:\n%s", got)
	}
}

// TestFailedLookupIsNoAnswer: what could not be asked for is asked for again.
func TestFailedLookupIsNoAnswer(t *testing.T) {
	t.Parallel()
	spec := load(t, "crm")
	a := &answers{err: fmt.Errorf("read: %w", context.DeadlineExceeded)}
	w := newWorld(t, spec, engine.Options{Lookup: a})
	w.tx(insert("messages", message))
	a.err = nil
	a.found = []engine.Found{found(spec, "conversation", false, conversation), found(spec, "contact", false, ana)}
	got := payloads(w.tx(insert("messages", message.with(fields{"id": "m2", "created_at": "2026-03-01 00:00:00+00"}))))
	if !strings.Contains(got, `"participants":[{"id":"ct1","name":"Ana"}]`) {
		t.Errorf("after a look-up that failed and one that did not:\n%s", got)
	}
}
