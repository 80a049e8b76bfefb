package lookup_test

import (
	"slices"
	"testing"

	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
	"chatbridge/mapping/engine"
)

// foreign are rows of f2 that point to those of f1: a conversation with Ana, and in
// c1 a newer message.
const foreign = `
insert into conversations (id, workspace_id, contact_id, is_typing, updated_at) values (u('c9'), u('f2'), u('a1'), false, '2026-01-01');
insert into messages (id, conversation_id, workspace_id, body, created_at) values (u('b9'), u('c1'), u('f2'), 'of another workspace', '2026-03-01');
`

// Foreign keys pass row level security: rows of one workspace may point to those of
// another. Nothing of these is found for it, and they hide nothing from their own.
func TestRowsOfOtherWorkspaces(t *testing.T) {
	t.Parallel()
	for _, shape := range []struct{ name, sql string }{
		{"foreign keys", "select"},
		{"none", "alter table messages drop constraint messages_conversation_id_fkey; alter table conversations drop constraint conversations_contact_id_fkey"},
	} {
		url := pgtest.DB(t, schemas.CRM, rows, foreign, shape.sql)
		for _, w := range ways {
			t.Run(w.name+", "+shape.name, func(t *testing.T) {
				t.Parallel()
				s := spec(t, "crm", "")
				l := w.make(t, url, s)
				both := append(of(id("c1")), in(id("f2"), id("c9"))...)
				same(t, slices.Compact(fetch(t, l, s, engine.Need{Conversations: both, Newest: both}, "id", "name", "body")),
					"conversation id=c1", "conversation id=c9", "contact id=a1 name=Ana", "newest id=b2 body=newest")
				same(t, fetch(t, l, s, engine.Need{Conversations: in(id("f2"), id("c9"))}, "id", "name"), "conversation id=c9")
				contact := []engine.ReferenceNeed{{Table: "contact", Keys: in(id("f2"), id("a1"))}}
				same(t, fetch(t, l, s, engine.Need{References: contact}, "id"))
				contact[0].Keys = of(id("a1"))
				same(t, slices.Compact(fetch(t, l, s, engine.Need{Related: contact}, "id", "body")),
					"conversation id=c1", "conversation id=c3", "contact id=a1", "newest id=b2 body=newest")
			})
		}
	}
}

// The same where the mapping names no workspace for contacts: those that point to a
// contact are of any workspace, each with its own newest message.
func TestReferencesWithoutWorkspace(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t, schemas.CRM, rows, foreign)
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			s := spec(t, "crm", "references:\n  contact: {workspace: null}\n")
			related := []engine.ReferenceNeed{{Table: "contact", Keys: in("", id("a1"))}}
			same(t, slices.Compact(fetch(t, w.make(t, url, s), s, engine.Need{Related: related}, "id", "name", "body")),
				"conversation id=c1", "conversation id=c3", "conversation id=c9", "contact id=a1 name=Ana", "newest id=b2 body=newest")
		})
	}
}
