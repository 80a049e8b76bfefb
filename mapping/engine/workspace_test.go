package engine_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"chatbridge/mapping"
	"chatbridge/mapping/contract"
	"chatbridge/mapping/engine"
	"chatbridge/source"
)

// tenants is a database whose ids are unique in their workspace only. It
// answers lookups with the rows of a key in all workspaces, as a Lookup may.
type tenants struct {
	spec *mapping.Spec
	rows map[string]map[engine.RowKey]fields // by role
}

func (d *tenants) Fetch(need *engine.Need, give func(engine.Found)) error {
	each := func(role string, keys []engine.RowKey, f func(fields)) {
		for _, k := range keys {
			for _, ws := range workspaces {
				if row := d.rows[role][engine.RowKey{Workspace: ws, Key: k.Key}]; row != nil {
					f(row)
				}
			}
		}
	}
	conversations := func(f fields) {
		give(found(d.spec, "conversation", false, f))
		if contact := d.rows["contact"][engine.RowKey{Workspace: f["workspace_id"].(string), Key: fmt.Sprint(f["contact_id"])}]; contact != nil {
			give(found(d.spec, "contact", false, contact))
		}
	}
	each("conversation", need.Conversations, conversations)
	newest := func(f fields) {
		if m := d.newest(f); m != nil {
			give(found(d.spec, "message", true, m))
		}
	}
	each("conversation", need.Newest, newest)
	for _, r := range need.References {
		each(r.Table, r.Keys, func(f fields) { give(found(d.spec, r.Table, false, f)) })
	}
	for _, r := range need.Related {
		for _, k := range r.Keys {
			for _, c := range d.rows["conversation"] {
				if c["contact_id"] == k.Key && c["workspace_id"] == k.Workspace {
					conversations(c)
					newest(c)
				}
			}
		}
	}
	each("message", need.Messages, func(f fields) { give(found(d.spec, "message", false, f)) })
	return nil
}

func (d *tenants) newest(conversation fields) fields {
	var best fields
	for _, m := range d.rows["message"] {
		if m["workspace_id"] != conversation["workspace_id"] || m["conversation_id"] != conversation["id"] {
			continue
		}
		if best == nil || m["created_at"].(string)+m["id"].(string) > best["created_at"].(string)+best["id"].(string) {
			best = m
		}
	}
	return best
}

var workspaces = []string{"w1", "w2"}

// randomStep changes a row of the database, in either workspace.
func (d *tenants) randomStep(r *rand.Rand, identity source.Identity) step {
	role := []string{"message", "message", "message", "conversation", "contact"}[r.IntN(5)]
	table, ok := d.spec.Table(role)
	if !ok {
		return d.randomStep(r, identity)
	}
	k := engine.RowKey{Workspace: workspaces[r.IntN(2)], Key: fmt.Sprint(role[:2], r.IntN(4))}
	was := d.rows[role][k]
	now := fields{}
	for _, c := range table.Columns {
		now[c.Name] = nil
	}
	for name, v := range was {
		now[name] = v
	}
	pick := func(name string, of ...string) {
		if _, reads := now[name]; reads && (was == nil || r.IntN(3) == 0) {
			now[name] = of[r.IntN(len(of))]
		}
	}
	pick("status", "sent", "delivered", "read")
	pick("body", k.Workspace+" a", k.Workspace+" b", strings.Repeat("long", 600))
	pick("content", k.Workspace+" a", "b")
	pick("contact_id", "co0", "co1", "co2")
	pick("name", k.Workspace+" Ana", "Bia")
	pick("phone", "5511987654321", "5521987654321")
	pick("is_outgoing", "f")
	pick("is_typing", "t", "f")
	if was == nil {
		// A message that moves may become another's newest unseen, and then it
		// matters what was looked up meanwhile.
		pick("conversation_id", "co0", "co1", "co2", "co3")
		pick("created_at", "2026-01-01 00:00:00+00", "2026-01-02 00:00:00+00", "2026-01-03 00:00:00+00")
	}
	now["id"], now["workspace_id"] = k.Key, k.Workspace
	s := step{op: source.Insert, table: table.Name, new: now, old: oldRow(was, identity, true)}
	switch {
	case was == nil:
		s.old = nil
	case r.IntN(6) == 0:
		s.op, s.new = source.Delete, nil
		s.old = oldRow(was, identity, false)
		delete(d.rows[role], k)
		return s
	default:
		s.op = source.Update
	}
	if d.rows[role] == nil {
		d.rows[role] = map[engine.RowKey]fields{}
	}
	d.rows[role][k] = now
	return s
}

// oldRow is what Postgres sends of an old row: all, or the primary key
// (workspace_id, id), and that only where it changed.
func oldRow(was fields, identity source.Identity, updated bool) fields {
	if identity == source.IdentityFull || was == nil {
		return was
	}
	if updated {
		return nil
	}
	out := fields{}
	for name := range was {
		out[name] = absent
	}
	return out.with(fields{"id": was["id"], "workspace_id": was["workspace_id"]})
}

// eventsOf prints the events of a workspace without their indexes.
func eventsOf(events []contract.Event, workspace string) string {
	var b strings.Builder
	for _, e := range events {
		if string(e.Workspace) == workspace {
			fmt.Fprintf(&b, "%s %s %s %s %s\n", e.Kind, e.Conversation, e.Key, e.Status, bytes.ReplaceAll(e.Payload, []byte("longlong"), nil))
		}
	}
	return b.String()
}

// tenantContacts is the crm preset for contacts whose ids are unique in their
// workspace only.
const tenantContacts = "references:\n  contact: {workspace: workspace_id}\n"

// One Mapper for two workspaces that have all ids in common says to each what
// a Mapper says that sees nothing but its rows.
func TestWorkspacesShareIDs(t *testing.T) {
	t.Parallel()
	for preset, own := range map[string]string{"crm": tenantContacts, "chatengine": ""} {
		t.Run(preset, func(t *testing.T) {
			t.Parallel()
			spec, err := mapping.Parse(preset, "own.yaml", []byte(own))
			if err != nil {
				t.Fatal(err)
			}
			events := 0
			for seed := range uint64(100) {
				events += shareIDs(t, spec, seed)
				if t.Failed() {
					return
				}
			}
			if events < 1500 {
				t.Errorf("only %d events", events)
			}
		})
	}
}

func shareIDs(t *testing.T, spec *mapping.Spec, seed uint64) (events int) {
	r := rand.New(rand.NewPCG(seed, 6))
	identity := []source.Identity{source.IdentityFull, source.IdentityDefault}[seed%2]
	d := &tenants{spec: spec, rows: map[string]map[engine.RowKey]fields{}}
	o := engine.Options{}
	if seed%3 > 0 {
		o.Lookup = d
	}
	worlds := map[string]*world{"": newWorld(t, spec, o), "w1": newWorld(t, spec, o), "w2": newWorld(t, spec, o)}
	for range 12 {
		var steps []step
		for range 1 + r.IntN(12) {
			steps = append(steps, d.randomStep(r, identity))
		}
		for ws, w := range worlds {
			w.identity = identity
			w.tx(slices.DeleteFunc(slices.Clone(steps), func(s step) bool {
				row := s.new
				if row == nil {
					row = s.old
				}
				return ws != "" && row["workspace_id"] != ws
			})...)
		}
		for _, ws := range workspaces {
			got, want := eventsOf(worlds[""].events, ws), eventsOf(worlds[ws].events, ws)
			if got != want {
				t.Errorf("seed %d: %s is told\n%swant\n%s", seed, ws, got, want)
			}
		}
		events += len(worlds[""].events)
	}
	return events
}

// A status that one workspace has is not swallowed because another has the
// same message with that status.
func TestStatusOfSameID(t *testing.T) {
	t.Parallel()
	w := newWorld(t, load(t, "chatengine"), engine.Options{})
	w.identity = source.IdentityDefault
	row := func(ws, status string) fields {
		return fields{"id": "evo-1", "workspace_id": ws, "conversation_id": "5511987654321", "status": status, "content": ws, "created_at": "2026-01-01 00:00:00+00"}
	}
	w.tx(insert("messages", row("w1", "sent")), insert("messages", row("w2", "sent")))
	w.tx(update("messages", nil, row("w2", "delivered")))
	if got := outline(w.tx(update("messages", nil, row("w1", "delivered")))); got != "1 messageStatus 5511987654321 evo-1\n" {
		t.Errorf("got %q", got)
	}
}

// A DELETE that names the key alone forgets it in whichever workspace it was:
// its table's key is one in the whole table.
func TestDeleteWithoutWorkspace(t *testing.T) {
	t.Parallel()
	spec := load(t, "crm")
	lookup := &answers{}
	w := newWorld(t, spec, engine.Options{Lookup: lookup})
	w.identity = source.IdentityDefault
	gone := fields{}
	for name := range conversation {
		gone[name] = absent
	}
	w.tx(insert("conversations", conversation), insert("conversations", conversation.with(fields{"id": "c2"})))
	w.tx(step{op: source.Delete, table: "conversations", old: gone.with(fields{"id": "c1"})})
	lookup.asked = nil
	w.tx(insert("messages", message), insert("messages", message.with(fields{"id": "m2", "conversation_id": "c2"})))
	if len(lookup.asked) != 1 || !slices.Equal(lookup.asked[0].Conversations, []engine.RowKey{{Workspace: "w1", Key: "c1"}}) {
		t.Errorf("asked %+v, want the deleted conversation and no other", lookup.asked)
	}
	// So is one whose key changes.
	w.tx(update("conversations", gone.with(fields{"id": "c2"}), conversation.with(fields{"id": "c3"})))
	lookup.asked = nil
	w.tx(insert("messages", message.with(fields{"id": "m3", "conversation_id": "c2"})))
	if len(lookup.asked) != 1 || !slices.Contains(lookup.asked[0].Conversations, engine.RowKey{Workspace: "w1", Key: "c2"}) {
		t.Errorf("asked %+v, want the conversation by its old key", lookup.asked)
	}
}
