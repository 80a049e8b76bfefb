package engine_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"chatbridge/mapping"
	"chatbridge/mapping/contract"
	"chatbridge/mapping/engine"
	"chatbridge/source"
)

const sentID = "opt_0b7e3f54-51f9-4d6a-9f0e-3a1f6f0e1c11"

// sending is what the CRM's function whatsapp-send INSERTs.
var sending = message.with(fields{"is_outgoing": "t", "status": "sending", "external_id": sentID})

// metadataOf returns the metadata of each message among events.
func metadataOf(events []contract.Event) []string {
	var out []string
	for _, e := range events {
		if e.Kind != contract.Message {
			continue
		}
		s := string(e.Payload)
		_, s, _ = strings.Cut(s, `"metadata":`)
		s, _, _ = strings.Cut(s, `}`)
		out = append(out, s+"}")
	}
	return out
}

// A message that the CRM sent keeps the id by which the CRM's bubble is found,
// and that id is never taken for WhatsApp's.
func TestOwnSends(t *testing.T) {
	t.Parallel()
	const pending = `{"clientMessageId":"` + sentID + `"}`
	const both = `{"providerMessageId":"3EB0A1","clientMessageId":"` + sentID + `"}`
	sent := sending.with(fields{"status": "sent", "external_id": "3EB0A1"})
	edited := sent.with(fields{"body": "edited"})
	for _, identity := range []source.Identity{source.IdentityFull, source.IdentityDefault} {
		t.Run(fmt.Sprint("identity ", identity), func(t *testing.T) {
			t.Parallel()
			old := func(f fields) fields {
				if identity == source.IdentityFull {
					return f
				}
				return nil
			}
			w := newWorld(t, load(t, "crm"), engine.Options{})
			w.identity = identity
			var got []string
			for _, steps := range [][]step{
				{insert("messages", sending)},
				{update("messages", old(sending), sent)},
				{update("messages", old(sent), sent.with(fields{"status": "read"}))},
				{update("messages", old(sent), edited)},
			} {
				got = append(got, metadataOf(w.tx(steps...))...)
			}
			want := []string{pending, both, both}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("got %s\nwant %s", got, want)
			}
		})
	}
}

// The status of a send is told first, then the message with both ids; a send
// that fails keeps its id, and gets no id of WhatsApp's.
func TestOwnSendsEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t, load(t, "crm"), engine.Options{})
	w.tx(insert("messages", sending))
	sent := sending.with(fields{"status": "sent", "external_id": "3EB0A1"})
	expect(t, payloads(w.tx(update("messages", sending, sent))), `
1 messageStatus {"messageId":"m1","status":"sent","conversationId":"c1"}
2 messageStatus {"messageId":"3EB0A1","status":"sent","conversationId":"c1"}
3 messageStatus {"messageId":"`+sentID+`","status":"sent","conversationId":"c1"}
4 message {"id":"m1","workspaceId":"w1","conversationId":"c1","senderId":"me","type":"text","content":"hi","status":"sent","metadata":{"providerMessageId":"3EB0A1","clientMessageId":"`+sentID+`"},"createdAt":"2026-02-05T18:58:02.000Z"}
`)
	failed := sending.with(fields{"status": "failed", "media_path": "x.png"})
	expect(t, payloads(w.tx(update("messages", sending, failed))), `
1 messageStatus {"messageId":"m1","status":"failed","conversationId":"c1"}
3 messageStatus {"messageId":"`+sentID+`","status":"failed","conversationId":"c1"}
4 message {"id":"m1","workspaceId":"w1","conversationId":"c1","senderId":"me","type":"text","content":"hi","attachments":[{"id":"m1","messageId":"m1","type":"file","url":"x.png","metadata":{"storagePath":"x.png"}}],"status":"failed","metadata":{"clientMessageId":"`+sentID+`"},"createdAt":"2026-02-05T18:58:02.000Z"}
`)
}

// A status under another id of a message tells the message's own, whether it is sent at once
// or waits for another's look-up: it is the same message's.
func TestStatusTellsWhoseItIs(t *testing.T) {
	t.Parallel()
	for name, lookup := range map[string]engine.Lookup{"at once": nil, "waiting": &answers{}} {
		w := newWorld(t, load(t, "crm"), engine.Options{Lookup: lookup})
		w.tx(insert("messages", sending))
		got := ""
		for _, e := range w.tx(insert("messages", message), update("messages", sending, sending.with(fields{"status": "sent", "external_id": "3EB0A1"}))) {
			if e.Kind == contract.MessageStatus {
				got += fmt.Sprintf("%s of %q\n", e.Key, e.Of)
			}
		}
		if want := "m1 of \"\"\n3EB0A1 of \"m1\"\n" + sentID + " of \"m1\"\n"; got != want {
			t.Errorf("%s:\n%swant\n%s", name, got, want)
		}
	}
}

// A status comes once under each of a message's ids, whichever of them are the same;
// also when it waited for others, and the memory of the client's id is one for all
// that read it.
func TestStatusUnderEveryName(t *testing.T) {
	t.Parallel()
	cases := []struct {
		own, client, external string
		want                  []string
	}{
		{"", "", "", []string{"m1"}},
		{"", "", "3EB0", []string{"m1", "3EB0"}},
		{"", "cl_1", "3EB0", []string{"m1", "3EB0", "cl_1"}},
		{"", "cl_1", "opt_2", []string{"m1", "cl_1"}},
		{"", "3EB0", "3EB0", []string{"m1", "3EB0"}},
		{"", "m1", "3EB0", []string{"m1", "3EB0"}},
		{"", `c"l`, `c"l`, []string{"m1", `c"l`}},
		{"", "m1", "m1", []string{"m1"}},
		{"message: {names: null}", "cl_1", "3EB0", []string{"m1"}},
		{"message: {names: {client: null}}", "cl_1", "3EB0", []string{"m1", "3EB0"}},
		{"message: {members: {id: [external_id, id]}, names: {provider: id}}", "cl_1", "3EB0", []string{"3EB0", "m1", "cl_1"}},
	}
	for _, c := range cases {
		spec, err := mapping.Parse("crm", "own.yaml", []byte(c.own))
		if err != nil {
			t.Fatal(err)
		}
		f := message.with(fields{"client_id": c.client, "external_id": c.external})
		for name, lookup := range map[string]engine.Lookup{"at once": nil, "waiting": &answers{}} {
			w := newWorld(t, spec, engine.Options{Lookup: lookup})
			var got []string
			last := uint32(0)
			for _, e := range w.tx(insert("messages", message.with(fields{"id": "first"})), update("messages", f, f.with(fields{"status": "read"}))) {
				if e.Kind == contract.MessageStatus {
					got = append(got, string(e.Key))
				}
				if e.Index <= last {
					t.Errorf("index %d after %d", e.Index, last)
				}
				last = e.Index
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("%s, client_id %q, external_id %q, %s: %q, want %q", c.own, c.client, c.external, name, got, c.want)
			}
		}
	}
}

// ChatEngine names a message by the id that its client sent it with, else by the
// provider's, from the INSERT on; each message event tells it, and whether the row was
// there before.
func TestOtherName(t *testing.T) {
	t.Parallel()
	cases := []struct{ own, client, external, want string }{
		{"", "", "", ""},
		{"", "", "3EB0", "3EB0"},
		{"", "", "opt_1", "opt_1"},
		{"", "cl_1", "3EB0", "cl_1"},
		{"", `c"l`, "3EB0", `c"l`},
		{"", "m1", "3EB0", ""},
		{"message: {names: {client: null}}", "cl_1", "3EB0", "3EB0"},
		{"message: {names: null}", "cl_1", "3EB0", ""},
	}
	for _, c := range cases {
		spec, err := mapping.Parse("crm", "own.yaml", []byte(c.own))
		if err != nil {
			t.Fatal(err)
		}
		f := message.with(fields{"client_id": c.client, "external_id": c.external})
		edited := f.with(fields{"body": "edited"})
		for name, lookup := range map[string]engine.Lookup{"at once": nil, "waiting": &answers{}} {
			w := newWorld(t, spec, engine.Options{Lookup: lookup})
			n := 0
			for _, e := range w.tx(insert("messages", f), update("messages", f, edited)) {
				if e.Kind != contract.Message {
					continue
				}
				created := int64(0)
				if n++; n == 2 {
					created = 1_770_317_882_000_000
				}
				if string(e.Other) != c.want || e.Again != (n == 2) || e.Created != created {
					t.Errorf("%s, client_id %q, external_id %q, %s: %q, again %v, created %d", c.own, c.client, c.external, name, e.Other, e.Again, e.Created)
				}
				renamed := contract.Renamed(nil, e.Payload, []byte(`x"y`))
				if want := strings.Replace(string(e.Payload), `"id":"m1"`, `"id":"x\"y"`, 1); string(renamed) != want {
					t.Errorf("renamed:\n%s\nwant\n%s", renamed, want)
				}
			}
			if n != 2 {
				t.Errorf("%d messages", n)
			}
		}
	}
	w := newWorld(t, load(t, "crm"), engine.Options{})
	w.tx(insert("messages", sending))
	for _, e := range w.tx(update("messages", sending, sending.with(fields{"status": "sent", "external_id": "3EB0A1"}))) {
		if e.Kind == contract.Message && string(e.Other) != sentID {
			t.Errorf("sent: %q", e.Other)
		}
	}
}

// Which ids are whose.
func TestClientMessageID(t *testing.T) {
	t.Parallel()
	cases := []struct{ client, external, want string }{
		{"", "", ""},
		{"", "3EB0", `"metadata":{"providerMessageId":"3EB0"}`},
		{"", "opt_1", `"metadata":{"clientMessageId":"opt_1"}`},
		{"cl_1", "3EB0", `"metadata":{"providerMessageId":"3EB0","clientMessageId":"cl_1"}`},
		{"cl_1", "opt_2", `"metadata":{"clientMessageId":"cl_1"}`},
		{"", "OPT_1", `"metadata":{"providerMessageId":"OPT_1"}`},
		{"", "opt", `"metadata":{"providerMessageId":"opt"}`},
		{"", "xopt_1", `"metadata":{"providerMessageId":"xopt_1"}`},
	}
	for _, c := range cases {
		w := newWorld(t, load(t, "crm"), engine.Options{})
		f := message.with(fields{"is_outgoing": "t"})
		if c.client != "" {
			f["client_id"] = c.client
		}
		if c.external != "" {
			f["external_id"] = c.external
		}
		got := string(w.tx(insert("messages", f))[0].Payload)
		if !strings.Contains(got, c.want) || (c.want == "") == strings.Contains(got, `"metadata"`) {
			t.Errorf("client_id %q, external_id %q: %s", c.client, c.external, got)
		}
	}
}

// What is remembered survives a gap and a change of the key, is of one
// workspace, goes with the row, and is bounded.
func TestKeptValues(t *testing.T) {
	t.Parallel()
	sent := sending.with(fields{"external_id": "3EB0A1", "body": "sent"})
	world := func(o engine.Options) *world {
		w := newWorld(t, load(t, "crm"), o)
		w.identity = source.IdentityDefault
		w.tx(insert("messages", sending))
		return w
	}
	has := func(events []contract.Event) bool { return strings.Contains(payloads(events), sentID) }

	w := world(engine.Options{})
	w.m.Forget()
	if !has(w.tx(insert("messages", sent))) {
		t.Error("lost by a gap after which the row is read back")
	}
	w = world(engine.Options{})
	moved := sent.with(fields{"id": "m9"})
	w.tx(update("messages", fields{"id": "m1"}, moved))
	if !has(w.tx(update("messages", nil, moved.with(fields{"body": "edited"})))) {
		t.Error("lost by a change of the key")
	}
	w = world(engine.Options{})
	if has(w.tx(insert("messages", sent.with(fields{"workspace_id": "w2"})))) {
		t.Error("shown to another workspace")
	}
	w.tx(step{op: source.Delete, table: "messages", old: sent})
	if has(w.tx(insert("messages", sent))) {
		t.Error("it outlives the row")
	}
	w = world(engine.Options{})
	w.tx(step{op: source.Truncate, table: "messages", new: nil})
	if has(w.tx(insert("messages", sent))) {
		t.Error("it outlives the table")
	}
	w = world(engine.Options{RememberKept: 2})
	for _, id := range []string{"m2", "m3"} {
		w.tx(insert("messages", sending.with(fields{"id": id, "external_id": "opt_" + id})))
	}
	if has(w.tx(update("messages", nil, sent))) {
		t.Error("more is remembered than may be")
	}
	if got := payloads(w.tx(update("messages", nil, sent.with(fields{"id": "m3"})))); !strings.Contains(got, `"clientMessageId":"opt_m3"`) {
		t.Errorf("the latest is forgotten: %s", got)
	}
	w = world(engine.Options{})
	long := "opt_" + strings.Repeat("x", 600)
	w.tx(update("messages", nil, sending.with(fields{"external_id": long})))
	if got := payloads(w.tx(update("messages", nil, sent))); strings.Contains(got, "opt_") {
		t.Errorf("too long a value is remembered, or an older one shown: %s", got)
	}
}

// A message that is sent again when look-ups work keeps the id too.
func TestKeptValuesOfOwedMessages(t *testing.T) {
	t.Parallel()
	spec, err := mapping.Parse("crm", "m.yaml", []byte("message: {members: {senderId: [contact.phone, {const: me}]}}"))
	if err != nil {
		t.Fatal(err)
	}
	a := &answers{err: errors.New("no")}
	w := newWorld(t, spec, engine.Options{Lookup: a})
	w.tx(insert("messages", sending))
	w.tx(update("messages", sending, sending.with(fields{"external_id": "3EB0A1"})))
	a.err, a.found = nil, []engine.Found{found(spec, "conversation", false, conversation), found(spec, "contact", false, ana)}
	w.events = nil
	if _, err := w.m.Settle(w.emit); err != nil {
		t.Fatal(err)
	}
	if got := metadataOf(w.events); fmt.Sprint(got) != `[{"providerMessageId":"3EB0A1","clientMessageId":"`+sentID+`"}]` {
		t.Errorf("got %s", payloads(w.events))
	}
}
