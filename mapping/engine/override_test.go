package engine_test

import (
	"slices"
	"strings"
	"testing"

	"chatbridge/mapping"
	"chatbridge/mapping/engine"
)

// Parts of a preset are replaced, taken away and added; the rest stays.
func TestOverride(t *testing.T) {
	t.Parallel()
	spec, err := mapping.Parse("crm", "m.yaml", []byte(`
message:
  table: chat.msgs
  members:
    content: {if: {column: body, is: ""}, then: {const: "(empty)"}, else: body}
    replyToMessageId: null
    metadata: {object: {id: external_id, quoted: {column: quoted_message, path: a.b}}}
typing: null
references:
  contact: {table: people}
  agent: {table: agents, key: id, by: message.sent_by_user_id}
`))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, table := range spec.Tables() {
		for _, c := range table.Columns {
			got[table.Schema+"."+table.Name] = append(got[table.Schema+"."+table.Name], c.Name)
		}
	}
	if slices.Contains(got["chat.msgs"], "reply_to_id") || slices.Contains(got["public.conversations"], "is_typing") || got["public.people"] == nil || got["public.agents"] == nil {
		t.Errorf("got %v", got)
	}
	w := newWorld(t, spec, engine.Options{})
	m := message.with(fields{"body": "", "quoted_message": `{"a": {"b": "\u00e9\""}}`, "external_id": "X"})
	w.begin()
	rel := w.relation("msgs", m)
	w.relations["msgs"] = rel
	rel.Schema = "chat"
	w.change(insert("msgs", m))
	if len(w.events) != 1 || !strings.Contains(string(w.events[0].Payload), `"content":"(empty)"`) || !strings.Contains(string(w.events[0].Payload), `"metadata":{"id":"X","quoted":"é\""}`) {
		t.Errorf("got %s", payloads(w.events))
	}
}

// No file makes Parse panic or hang.
func FuzzParse(f *testing.F) {
	for _, preset := range mapping.Presets() {
		text, err := mapping.Preset(preset)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text) + "\nreplace: true\n")
		f.Add(string(text))
	}
	for _, s := range []string{
		"message: &a [*a]", "a: &a {<<: *a}", "message: {members: {id: &x [*x]}}", "message:\n  members:\n    id: {first: [[[[id]]]]}", "words: {status: x}",
		"conversation: {members: {participants: {array: [{object: {id: {member: conversation.participants}}}]}}}", "message: {members: {content: {const: {1: 2}}}}",
		"message: {members: {metadata: {object: {a: {const: .nan}}}}}", "references: {x: null, y: []}", "typing: {column: [1]}", "? {a: b}\n: c",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		spec, err := mapping.Parse("crm", "f.yaml", []byte(text))
		if err != nil {
			if err.Error() == "" {
				t.Fatal("an error without words")
			}
			return
		}
		if _, err := spec.Check(func(string, string) []string { return []string{"id"} }); err == nil {
			t.Fatal("a mapping that needs one column only")
		}
		w := newWorld(t, spec, engine.Options{})
		w.tx(insert(spec.Tables()[0].Name, message), update(spec.Tables()[1].Name, conversation, conversation.with(fields{"is_typing": "t"})))
	})
}
