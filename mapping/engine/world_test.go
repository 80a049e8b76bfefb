package engine_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chatbridge/mapping"
	"chatbridge/mapping/contract"
	"chatbridge/mapping/engine"
	"chatbridge/source"
)

// fields are a row's values by column: a string, nil for null, unchanged or
// absent.
type fields map[string]any

const (
	unchanged = source.Unchanged
	absent    = source.Absent
)

// world feeds a Mapper with rows and keeps the events.
type world struct {
	t         testing.TB
	m         *engine.Mapper
	relations map[string]*source.Relation
	identity  source.Identity
	commit    uint64
	time      time.Time
	events    []contract.Event
	warnings  []engine.Warning
}

func newWorld(t testing.TB, spec *mapping.Spec, o engine.Options) *world {
	t.Helper()
	w := &world{t: t, relations: map[string]*source.Relation{}, identity: source.IdentityFull, time: time.Date(2026, 2, 5, 18, 58, 2, 123_456_000, time.UTC)}
	o.Warn = func(warning engine.Warning) { w.warnings = append(w.warnings, warning) }
	w.m = engine.New(spec, o)
	return w
}

func (w *world) emit(e *contract.Event) error {
	c := *e
	for _, p := range []*[]byte{&c.Workspace, &c.Conversation, &c.Key, &c.Status, &c.Payload, &c.Of} {
		*p = bytes.Clone(*p)
	}
	w.events = append(w.events, c)
	return nil
}

func (w *world) relation(table string, rows ...fields) *source.Relation {
	var names []string
	for _, r := range rows {
		for name := range r {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	id := table + " " + strings.Join(names, " ")
	rel := w.relations[id]
	if rel == nil {
		rel = &source.Relation{Schema: "public", Name: table, Identity: w.identity}
		for _, n := range names {
			rel.Columns = append(rel.Columns, source.Column{Name: n})
		}
		w.relations[id] = rel
	}
	return rel
}

func rowOf(rel *source.Relation, f fields) source.Row {
	if f == nil {
		return nil
	}
	out := make(source.Row, len(rel.Columns))
	for i, c := range rel.Columns {
		switch v := f[c.Name].(type) {
		case nil:
			out[i] = source.Value{Kind: source.Null}
		case string:
			out[i] = source.Value{Kind: source.Text, Data: []byte(v)}
		case source.Kind:
			out[i] = source.Value{Kind: v}
		default:
			panic(fmt.Sprintf("%T", v))
		}
	}
	return out
}

// step is one change of a transaction.
type step struct {
	op       source.Op
	table    string
	new, old fields
	late     bool
}

// begin, change and end take a transaction apart; tx is all of it.
func (w *world) begin() {
	w.commit++
	w.m.Begin(source.Tx{Commit: w.commit, Time: w.time})
}

func (w *world) change(s step) {
	w.t.Helper()
	rel := w.relation(s.table, s.new, s.old)
	c := source.Change{Op: s.op, Relation: rel, New: rowOf(rel, s.new), Old: rowOf(rel, s.old), Late: s.late}
	if err := w.m.Change(&c, w.emit); err != nil {
		w.t.Fatal(err)
	}
	// The read buffer is used again: whoever kept a part of it is found out.
	for _, row := range []source.Row{c.New, c.Old} {
		for i := range row {
			for j := range row[i].Data {
				row[i].Data[j] = '#'
			}
		}
	}
}

func (w *world) tx(steps ...step) []contract.Event {
	w.t.Helper()
	w.events = nil
	w.begin()
	for _, s := range steps {
		w.change(s)
	}
	if err := w.m.Commit(w.emit); err != nil {
		w.t.Fatal(err)
	}
	return w.events
}

func insert(table string, f fields) step { return step{op: source.Insert, table: table, new: f} }

func update(table string, old, f fields) step {
	return step{op: source.Update, table: table, new: f, old: old}
}

// with is f with some fields changed.
func (f fields) with(more fields) fields {
	out := fields{}
	for k, v := range f {
		out[k] = v
	}
	for k, v := range more {
		out[k] = v
	}
	return out
}

var (
	ana          = fields{"id": "ct1", "workspace_id": "w1", "name": "Ana", "phone": "5511987654321", "avatar_url": nil}
	conversation = fields{
		"id": "c1", "workspace_id": "w1", "contact_id": "ct1", "updated_at": "2026-01-01 00:00:00+00", "is_typing": "f",
		"whatsapp_number_id": nil, "last_message_at": nil, "remote_jid": nil,
	}
	message = fields{
		"id": "m1", "workspace_id": "w1", "conversation_id": "c1", "body": "hi", "status": "sent", "type": "text",
		"is_outgoing": "f", "created_at": "2026-02-05 18:58:02+00", "external_id": nil, "quoted_message": nil, "whatsapp_number_id": nil,
		"sent_by_user_id": nil, "media_url": nil, "media_path": nil, "thumbnail_url": nil, "mime_type": nil, "media_type": nil,
		"size_bytes": nil, "duration_ms": nil, "reply_to_id": nil, "client_id": nil, "sender_jid": nil,
	}
)

// outline prints events without their payloads, for comparing.
func outline(events []contract.Event) string {
	var b strings.Builder
	for _, e := range events {
		fmt.Fprintf(&b, "%d %s %s %s\n", e.Index, e.Kind, e.Conversation, e.Key)
	}
	return b.String()
}

// payloads prints events with their payloads.
func payloads(events []contract.Event) string {
	var b strings.Builder
	for _, e := range events {
		fmt.Fprintf(&b, "%d %s %s\n", e.Index, e.Kind, e.Payload)
	}
	return b.String()
}

// answers is a Lookup that answers from a table, and counts.
type answers struct {
	found []engine.Found
	err   error
	asked []engine.Need
}

func (a *answers) Fetch(need *engine.Need, found func(engine.Found)) error {
	n := *need
	n.Conversations, n.Newest, n.Messages = slices.Clone(n.Conversations), slices.Clone(n.Newest), slices.Clone(n.Messages)
	n.References, n.Related = slices.Clone(n.References), slices.Clone(n.Related)
	a.asked = append(a.asked, n)
	for _, f := range a.found {
		found(f)
	}
	return a.err
}

// found makes a row of a table of the spec.
func found(spec *mapping.Spec, role string, newest bool, f fields) engine.Found {
	t, _ := spec.Table(role)
	row := make(source.Row, len(t.Columns))
	for i, c := range t.Columns {
		row[i] = source.Value{Kind: source.Null}
		if s, ok := f[c.Name].(string); ok {
			row[i] = source.Value{Kind: source.Text, Data: []byte(s)}
		}
	}
	return engine.Found{Table: role, Newest: newest, Row: row}
}
