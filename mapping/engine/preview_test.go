package engine_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"chatbridge/mapping/engine"
	"chatbridge/source"
)

func at(hour int) string { return fmt.Sprintf("2026-02-05 %02d:00:00+00", hour) }

// written is a message of that hour.
func written(hour int, more fields) fields {
	return message.with(fields{"id": fmt.Sprintf("m%02d", hour), "created_at": at(hour)}).with(more)
}

func deleted(table string, old fields) step { return step{op: source.Delete, table: table, old: old} }

// A clean-up of old messages tells nobody anything, and looks each conversation's
// newest message up once.
func TestOldMessagesAreDeleted(t *testing.T) {
	t.Parallel()
	spec := load(t, "crm")
	a := &answers{}
	for c := range 10 {
		key := fields{"id": fmt.Sprint("c", c)}
		a.found = append(a.found, found(spec, "conversation", false, conversation.with(key)),
			found(spec, "message", true, written(20, fields{"conversation_id": key["id"]})))
	}
	w := newWorld(t, spec, engine.Options{Lookup: a})
	var steps []step
	for i := range 100 {
		steps = append(steps, deleted("messages", written(i%12, fields{"conversation_id": fmt.Sprint("c", i%10)})))
	}
	if events := w.tx(steps...); len(events) > 0 || len(a.asked) != 1 {
		t.Errorf("asked %d times; events %s", len(a.asked), outline(events))
	}
	if events := w.tx(steps...); len(events) > 0 || len(a.asked) != 1 {
		t.Errorf("asked %d times; events %s", len(a.asked), outline(events))
	}
}

// What a look-up cannot tell yet, because it fails or because it still sees a message
// that is gone, is not sent as it was, and comes when it can.
func TestPreviewIsOwed(t *testing.T) {
	t.Parallel()
	spec := load(t, "crm")
	newest, older := written(12, nil), written(11, fields{"body": "older"})
	first := []engine.Found{found(spec, "conversation", false, conversation), found(spec, "contact", false, ana)}
	for name, a := range map[string]*answers{
		"fails": {err: errors.New("locked")}, "early": {found: append(first, found(spec, "message", true, newest))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, spec, engine.Options{Lookup: a})
			if events := w.tx(deleted("messages", newest)); len(events) > 0 || w.m.Owed() != 1 {
				t.Errorf("%d owed; events %s", w.m.Owed(), payloads(events))
			}
			a.err, a.found = nil, append(first, found(spec, "message", true, older))
			if events, _ := w.settle(); len(events) != 1 || !strings.Contains(payloads(events), `"content":"older"`) || w.m.Owed() != 0 {
				t.Errorf("%d owed; settled %s", w.m.Owed(), payloads(events))
			}
		})
	}
}

// What the stream has shown of a message is believed before what a look-up may have
// read a moment too early: a conversation that gets a message, and an edited one.
func TestPreviewOfWhatCame(t *testing.T) {
	t.Parallel()
	spec := load(t, "crm")
	was := written(12, fields{"conversation_id": "c2"})
	for name, c := range map[string]struct {
		old, now fields
		found    []fields
	}{
		"moved":                {was, was.with(fields{"conversation_id": "c1", "body": "now"}), []fields{written(11, nil)}},
		"moved, none found":    {was, was.with(fields{"conversation_id": "c1", "body": "now"}), nil},
		"edited":               {written(12, nil), written(12, fields{"body": "now"}), []fields{written(12, nil)}},
		"the time goes back":   {written(12, nil), written(10, fields{"id": "m12"}), []fields{written(12, nil), written(11, fields{"body": "now"})}},
		"the time goes onward": {written(10, fields{"id": "m12"}), written(12, fields{"body": "now"}), []fields{written(11, nil)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &answers{found: []engine.Found{found(spec, "conversation", false, conversation), found(spec, "contact", false, ana)}}
			for _, f := range c.found {
				a.found = append(a.found, found(spec, "message", true, f))
			}
			w := newWorld(t, spec, engine.Options{Lookup: a})
			var got string
			for _, e := range w.tx(update("messages", c.old, c.now)) {
				if e.Kind.String() == "conversation" && string(e.Key) == "c1" {
					got += string(e.Payload)
				}
			}
			if strings.Count(got, `"lastMessage"`) != 1 || !strings.Contains(got, `"content":"now"`) {
				t.Errorf("conversation: %s", got)
			}
		})
	}
}

// Whether an event is due depends on what is known; its index does not.
func TestPreviewIndexes(t *testing.T) {
	t.Parallel()
	spec := load(t, "crm")
	steps := func() []step {
		return []step{
			update("messages", written(12, nil), written(12, fields{"status": "read"})),
			update("messages", written(12, nil), written(12, fields{"body": "edited"})),
			update("messages", written(13, fields{"conversation_id": "c2"}), written(13, fields{"conversation_id": "c3"})),
			deleted("messages", written(9, fields{"conversation_id": "c4"})),
			insert("messages", written(14, fields{"conversation_id": "c4"})),
			insert("messages", written(15, fields{"conversation_id": "c1"})),
		}
	}
	a := &answers{found: []engine.Found{found(spec, "contact", false, ana)}}
	for _, c := range []string{"c1", "c2", "c3", "c4"} {
		a.found = append(a.found, found(spec, "conversation", false, conversation.with(fields{"id": c})), found(spec, "message", true, written(10, fields{"conversation_id": c})))
	}
	cold := newWorld(t, spec, engine.Options{Lookup: a})
	want := outline(cold.tx(steps()...))
	expect(t, want, `
1 messageStatus c1 m12
8 message c1 m12
12 message c3 m13
17 message c4 m14
21 message c1 m15
27 conversation c1 c1
29 conversation c3 c3
30 conversation c2 c2
31 conversation c4 c4
`)
	warm := newWorld(t, spec, engine.Options{Lookup: a})
	for _, c := range []string{"c1", "c2", "c3", "c4"} {
		warm.tx(insert("messages", written(10, fields{"conversation_id": c})))
	}
	warm.tx(insert("messages", written(12, nil)), insert("messages", written(13, fields{"conversation_id": "c2"})))
	expect(t, outline(warm.tx(steps()...)), want)
	again := newWorld(t, spec, engine.Options{Lookup: a})
	again.tx(insert("messages", written(16, fields{"conversation_id": "c2"}))) // so c2's message was not the newest
	expect(t, outline(again.tx(steps()...)), strings.Replace(want, "30 conversation c2 c2\n", "", 1))
}
