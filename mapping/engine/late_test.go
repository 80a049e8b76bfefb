package engine_test

import (
	"strings"
	"testing"

	"chatbridge/mapping/engine"
)

// late is what was lost and read back.
func late(s step) step {
	s.late = true
	return s
}

// preview is the id of the message that the only conversation event shows.
func preview(t *testing.T, w *world) string {
	t.Helper()
	id := ""
	for _, line := range strings.Split(payloads(w.events), "\n") {
		if !strings.Contains(line, `"lastMessage":`) {
			continue
		}
		if _, rest, ok := strings.Cut(line, `"lastMessage":{"id":"`); ok {
			id, _, _ = strings.Cut(rest, `"`)
		}
	}
	return id
}

// A message that is read back after later ones have come is not taken for its
// conversation's newest, whether those are remembered or not.
func TestLateMessageIsNotTheNewest(t *testing.T) {
	t.Parallel()
	spec := load(t, "crm")
	for name, c := range map[string]struct {
		before []step
		forget bool
		late   []step
		newest fields // in the database
		want   string
	}{
		"remembered": {
			before: []step{insert("messages", written(12, nil))},
			late:   []step{late(insert("messages", written(11, nil)))}, want: "m12",
		},
		"forgotten": {
			before: []step{insert("messages", written(12, nil))}, forget: true,
			late:   []step{late(update("messages", nil, written(11, nil))), late(insert("messages", written(11, nil)))},
			newest: written(12, nil), want: "m12",
		},
		"with its conversation": {
			late:   []step{late(insert("conversations", conversation)), late(insert("messages", written(11, nil)))},
			newest: written(12, nil), want: "m12",
		},
		"of the same time": {
			before: []step{insert("messages", written(12, fields{"id": "m12b"}))},
			late:   []step{late(insert("messages", written(12, fields{"id": "m12a"})))},
			newest: written(12, fields{"id": "m12b"}), want: "m12b",
		},
		"the newest": {
			before: []step{insert("messages", written(10, nil))}, forget: true,
			late:   []step{late(insert("messages", written(11, nil))), late(insert("messages", written(12, nil)))},
			newest: written(12, nil), want: "m12",
		},
		"two batches": {
			late:   []step{late(insert("messages", written(11, nil))), insert("messages", written(12, nil)), late(insert("messages", written(10, nil)))},
			newest: written(12, nil), want: "m12",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &answers{found: []engine.Found{found(spec, "conversation", false, conversation), found(spec, "contact", false, ana)}}
			if c.newest != nil {
				a.found = append(a.found, found(spec, "message", true, c.newest))
			}
			w := newWorld(t, spec, engine.Options{Lookup: a})
			w.tx(insert("contacts", ana), insert("conversations", conversation))
			if c.before != nil {
				w.tx(c.before...)
			} else {
				w.m.Forget()
			}
			if c.forget {
				w.m.Forget()
			}
			w.tx(c.late...)
			if got := preview(t, w); got != c.want {
				t.Errorf("it shows %q, want %q; events\n%s", got, c.want, payloads(w.events))
			}
		})
	}
}

// Where conversations show what their transaction inserted, a message that is read
// back is not shown over a later one that was, not even after a gap.
func TestLateMessageIsNotShownOverALaterOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, load(t, "chatengine"), engine.Options{})
	of := func(id, at string) step {
		return insert("messages", fields{"id": id, "workspace_id": "w1", "conversation_id": "c1", "content": id, "created_at": at})
	}
	w.tx(of("m12", at(12)))
	w.m.Forget()
	if w.tx(late(of("m11", at(11)))); preview(t, w) != "" {
		t.Errorf("events\n%s", payloads(w.events))
	}
	if w.tx(late(of("m13", at(13)))); preview(t, w) != "m13" {
		t.Errorf("events\n%s", payloads(w.events))
	}
}

// Without look-ups the newest one is that which is remembered.
func TestLateMessageWithoutLookups(t *testing.T) {
	t.Parallel()
	w := newWorld(t, load(t, "crm"), engine.Options{})
	w.tx(late(insert("messages", written(12, nil))))
	w.tx(late(insert("messages", written(11, nil))))
	if got := preview(t, w); got != "m12" {
		t.Errorf("without look-ups it shows %q", got)
	}
}
