package engine_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"chatbridge/mapping"
	"chatbridge/mapping/contract"
	"chatbridge/mapping/engine"
	"chatbridge/source"

	"github.com/google/go-cmp/cmp"
)

// flaky is a Lookup that fails while down is set.
type flaky struct {
	engine.Lookup
	down  bool
	asked int
}

var errDown = errors.New("the database does not answer")

func (f *flaky) Fetch(need *engine.Need, give func(engine.Found)) error {
	f.asked++
	if f.down {
		return errDown
	}
	return f.Lookup.Fetch(need, give)
}

// settle makes the owed events again.
func (w *world) settle() (events []contract.Event, answered bool) {
	w.t.Helper()
	w.events = nil
	answered, err := w.m.Settle(w.emit)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.events, answered
}

// owing is a world whose first message went out while look-ups failed.
func owing(t *testing.T) (*world, *flaky) {
	t.Helper()
	spec := load(t, "crm")
	f := &flaky{down: true, Lookup: &answers{found: []engine.Found{
		found(spec, "conversation", false, conversation), found(spec, "contact", false, ana),
		found(spec, "message", true, message),
	}}}
	w := newWorld(t, spec, engine.Options{Lookup: f})
	events := w.tx(insert("messages", message.with(fields{"sender_jid": nil})))
	if got := string(events[0].Payload) + string(events[1].Payload); !strings.Contains(got, `"senderId":"99900000000"`) || !strings.Contains(got, `"participants":[]`) {
		t.Fatalf("not short: %s", got)
	}
	if w.m.Owed() != 2 || w.m.LookupError() == nil {
		t.Fatalf("owed %d, error %v", w.m.Owed(), w.m.LookupError())
	}
	return w, f
}

// What went out short of a look-up goes out again when the look-up succeeds:
// as the row is by then, with its id, after all positions of the transaction.
func TestSettle(t *testing.T) {
	t.Parallel()
	w, f := owing(t)
	if events, answered := w.settle(); answered || len(events) > 0 || w.m.Owed() != 2 {
		t.Errorf("settled %v with look-ups that fail", events)
	}
	events := w.tx(update("messages", message, message.with(fields{"status": "READ"})))
	f.down = false
	last := events[len(events)-1].Index
	events, answered := w.settle()
	more, again := w.settle() // an attempt that failed makes the next smaller
	events, answered = append(events, more...), answered && again
	if !answered || len(events) != 2 || w.m.Owed() != 0 || w.m.LookupError() != nil {
		t.Fatalf("answered %t, events %s owed %d", answered, payloads(events), w.m.Owed())
	}
	for want, e := range map[string]contract.Event{
		`"senderId":"5511987654321"`: events[0], `"status":"read"`: events[0], `"id":"m1"`: events[0], `"name":"Ana"`: events[1], `"lastMessage":{"id":"m1"`: events[1],
	} {
		if !strings.Contains(string(e.Payload), want) {
			t.Errorf("no %s in %s", want, e.Payload)
		}
		if e.Index <= last {
			t.Errorf("index %d is not after %d", e.Index, last)
		}
	}
	if events, _ := w.settle(); len(events) > 0 {
		t.Errorf("settled twice: %s", payloads(events))
	}
	if s := w.m.Stats().Lookups; s.Short != 2 || s.Settled != 2 || s.Owed != 0 || s.Abandoned != 0 || s.Failing {
		t.Errorf("stats: %+v", s)
	}
}

// The same transaction read again goes on after the indexes that were used.
func TestSettleTwiceAfterOneTransaction(t *testing.T) {
	t.Parallel()
	w, f := owing(t)
	f.down = false
	first, _ := w.settle()
	f.down = true
	w.m.Forget()
	w.commit--
	w.tx(insert("messages", message))
	f.down = false
	if second, _ := w.settle(); len(second) == 0 || second[0].Index <= first[len(first)-1].Index {
		t.Errorf("indexes %s after %s", outline(second), outline(first))
	}
}

// A message that is gone is not owed, nor one of which a Gap may hide the
// latest state; an event that goes out whole pays what was owed before.
func TestDebtsEnd(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end  func(w *world, f *flaky)
		owed int
	}{
		"deleted":   {func(w *world, _ *flaky) { w.tx(step{op: source.Delete, table: "messages", old: message}) }, 1},
		"truncated": {func(w *world, _ *flaky) { w.tx(step{op: source.Truncate, table: "messages"}) }, 1},
		"gap":       {func(w *world, _ *flaky) { w.m.Forget() }, 1},
		"both deleted": {func(w *world, _ *flaky) {
			w.tx(step{op: source.Delete, table: "messages", old: message}, step{op: source.Delete, table: "conversations", old: conversation})
		}, 0},
		"whole":            {func(w *world, f *flaky) { f.down = false; w.tx(insert("messages", message)) }, 0},
		"whole, but again": {func(w *world, f *flaky) { f.down = false; w.commit--; w.tx(insert("messages", message)) }, 2},
		"typing": {func(w *world, _ *flaky) {
			w.tx(update("conversations", conversation, conversation.with(fields{"is_typing": "t"})))
		}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, f := owing(t)
			c.end(w, f)
			if w.m.Owed() != c.owed {
				t.Errorf("%d owed, want %d", w.m.Owed(), c.owed)
			}
		})
	}
	t.Run("deleted where it was inserted", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, load(t, "crm"), engine.Options{Lookup: &flaky{down: true}})
		w.tx(insert("messages", message), step{op: source.Delete, table: "messages", old: message})
		if w.m.Owed() != 1 {
			t.Errorf("%d owed, want the conversation alone", w.m.Owed())
		}
	})
}

// A large value that could not be read back costs the event only until it can.
func TestSettleLargeValue(t *testing.T) {
	t.Parallel()
	spec, err := mapping.Parse("crm", "own.yaml", []byte("message: {unknown: changed}"))
	if err != nil {
		t.Fatal(err)
	}
	large := message.with(fields{"body": "large"})
	f := &flaky{down: true, Lookup: &answers{found: []engine.Found{
		found(spec, "message", false, large), found(spec, "conversation", false, conversation), found(spec, "message", true, large),
	}}}
	w := newWorld(t, spec, engine.Options{Lookup: f})
	w.identity = source.IdentityDefault
	events := w.tx(update("messages", nil, message.with(fields{"body": unchanged, "media_url": "https://cdn/x"})))
	if n := w.m.Stats().Unmappable["value_not_sent"]; n != 0 || len(w.warnings) > 0 || outline(events) != "1 messageStatus c1 m1\n" {
		t.Errorf("%d counted as lost, warned %v; events %s", n, w.warnings, payloads(events))
	}
	f.down = false
	if events, _ = w.settle(); len(events) != 2 || !strings.Contains(string(events[0].Payload), `"content":"large"`) {
		t.Errorf("settled %s", payloads(events))
	}
}

// A contact whose conversations could not be asked for.
func TestSettleReference(t *testing.T) {
	t.Parallel()
	spec := load(t, "crm")
	f := &flaky{down: true, Lookup: &answers{found: []engine.Found{found(spec, "conversation", false, conversation), found(spec, "message", true, message)}}}
	w := newWorld(t, spec, engine.Options{Lookup: f})
	if events := w.tx(update("contacts", ana, ana.with(fields{"name": "Ana Maria"}))); len(events) > 0 {
		t.Fatalf("events %s", payloads(events))
	}
	f.down = false
	if events, _ := w.settle(); len(events) != 1 || !strings.Contains(string(events[0].Payload), `"name":"Ana Maria"`) || w.m.Owed() != 0 {
		t.Errorf("settled %s", payloads(events))
	}
}

// What is owed is bounded: the oldest is given up, counted and warned of once.
func TestDebtsAreBounded(t *testing.T) {
	t.Parallel()
	f := &flaky{down: true}
	w := newWorld(t, load(t, "crm"), engine.Options{Lookup: f, OwedRows: 10, OwedBytes: 20_000})
	for i := range 30 {
		w.tx(insert("messages", message.with(fields{"id": fmt.Sprint("m", i), "conversation_id": fmt.Sprint("c", i)})))
	}
	w.tx(insert("messages", message.with(fields{"id": "large", "body": strings.Repeat("x", 30_000)})))
	s := w.m.Stats().Lookups
	if w.m.Owed() > 10 || s.Abandoned+uint64(s.Owed) != s.Short || s.Abandoned < 50 {
		t.Errorf("stats: %+v", s)
	}
	abandoned := slices.DeleteFunc(w.warnings, func(x engine.Warning) bool { return x.Reason != "lookup_abandoned" })
	if len(abandoned) != 2 { // a table each
		t.Errorf("warnings %+v", abandoned)
	}
}

// poisoned is a Lookup that fails whenever it is asked for one conversation.
type poisoned struct{ engine.Lookup }

func (p poisoned) Fetch(need *engine.Need, give func(engine.Found)) error {
	if slices.Contains(need.Conversations, engine.RowKey{Workspace: "w1", Key: "bad"}) {
		return errDown
	}
	return p.Lookup.Fetch(need, give)
}

// A row that can never be looked up stands in no other's way, and is given up
// in the end.
func TestDebtThatCannotBePaid(t *testing.T) {
	t.Parallel()
	spec := load(t, "crm")
	a := &answers{}
	f := &flaky{down: true, Lookup: poisoned{a}}
	w := newWorld(t, spec, engine.Options{Lookup: f, OwedRows: 100})
	for i := range 20 {
		id := fmt.Sprint("c", i)
		if i == 0 {
			id = "bad"
		}
		w.tx(insert("messages", message.with(fields{"id": fmt.Sprint("m", i), "conversation_id": id})))
		a.found = append(a.found, found(spec, "conversation", false, conversation.with(fields{"id": id})))
	}
	a.found = append(a.found, found(spec, "contact", false, ana))
	f.down = false
	settled := map[string]bool{}
	for n := 0; w.m.Owed() > 2; n++ { // the bad conversation's message and itself
		if n == 200 {
			t.Fatalf("%d are owed after %d attempts", w.m.Owed(), n)
		}
		events, _ := w.settle()
		for _, e := range events {
			settled[e.Kind.String()+string(e.Key)] = true
		}
	}
	if len(settled) != 38 {
		t.Errorf("settled %d: %v", len(settled), settled)
	}
	for n := 0; w.m.Owed() > 0; n++ {
		if n == 200 {
			t.Fatalf("%d are owed after %d attempts", w.m.Owed(), n)
		}
		w.tx(insert("messages", message.with(fields{"id": fmt.Sprint("n", n), "conversation_id": fmt.Sprint("d", n)}))) // others work
		w.settle()
	}
	if s := w.m.Stats().Lookups; s.Abandoned != 2 {
		t.Errorf("stats: %+v", s)
	}
}

// state is what a client has at the end: each conversation's latest event, and
// each message's with its latest status.
type state map[string]string

func (s state) take(t *testing.T, events []contract.Event, at func(message, status string)) {
	t.Helper()
	for _, e := range events {
		id := string(e.Workspace) + " " + e.Kind.String() + " " + string(e.Key)
		var o map[string]any
		if err := json.Unmarshal(e.Payload, &o); err != nil {
			t.Fatal(err)
		}
		if e.Kind == contract.MessageStatus {
			id = string(e.Workspace) + " message " + string(e.Key)
			status := o["status"]
			o = map[string]any{}
			_ = json.Unmarshal([]byte(s[id]), &o)
			o["status"] = status
		}
		b, _ := json.Marshal(o)
		s[id] = string(b)
		if e.Status != nil {
			at(id, string(e.Status))
		}
	}
}

// However look-ups fail meanwhile, in the end the clients have what they would
// have had without, and no status was ever taken back.
func TestSettledLikeNeverFailed(t *testing.T) {
	t.Parallel()
	spec, err := mapping.Parse("crm", "own.yaml", []byte(tenantContacts))
	if err != nil {
		t.Fatal(err)
	}
	settled := uint64(0)
	for seed := range uint64(50) {
		settled += likeNeverFailed(t, spec, seed)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if settled < 200 {
		t.Errorf("only %d events were settled", settled)
	}
}

func likeNeverFailed(t *testing.T, spec *mapping.Spec, seed uint64) uint64 {
	r := rand.New(rand.NewPCG(seed, 15))
	d := &tenants{spec: spec, rows: map[string]map[engine.RowKey]fields{"contact": {}, "conversation": {}, "message": {}}}
	for _, ws := range workspaces {
		for i := range 3 {
			id := fmt.Sprint(i)
			d.rows["contact"][engine.RowKey{Workspace: ws, Key: "ct" + id}] = ana.with(fields{"id": "ct" + id, "workspace_id": ws, "name": ws + id})
			d.rows["conversation"][engine.RowKey{Workspace: ws, Key: "c" + id}] = conversation.with(fields{"id": "c" + id, "workspace_id": ws, "contact_id": "ct" + id})
		}
	}
	f := &flaky{Lookup: d}
	o := engine.Options{Lookup: f, BatchRows: 1 + r.IntN(6)}
	short := newWorld(t, spec, o)
	o.Lookup = d
	steady := newWorld(t, spec, o)
	identity := []source.Identity{source.IdentityFull, source.IdentityDefault}[seed%2]
	short.identity, steady.identity = identity, identity
	got, want := state{}, state{}
	order := map[string]int{}
	never := func(id, status string) {
		rank := slices.Index([]string{"pending", "sent", "delivered", "read"}, status)
		if rank < order[id] {
			t.Errorf("%s goes back to %s", id, status)
		}
		order[id] = rank
	}
	n := 0
	for range 25 {
		f.down = r.IntN(3) > 0
		var steps []step
		for range 1 + r.IntN(5) {
			steps = append(steps, d.forward(r, identity, &n))
		}
		got.take(t, short.tx(steps...), never)
		want.take(t, steady.tx(steps...), func(string, string) {})
		if f.down = r.IntN(4) > 0; r.IntN(2) == 0 {
			events, _ := short.settle()
			got.take(t, events, never)
		}
	}
	f.down = false
	for short.m.Owed() > 0 {
		events, _ := short.settle()
		got.take(t, events, never)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(- never failed, + settled)\n%s", diff)
	}
	if a := short.m.Stats().Lookups.Abandoned; a > 0 {
		t.Errorf("%d abandoned", a)
	}
	return short.m.Stats().Lookups.Settled
}

// forward inserts a message, or moves one's status on, or renames a contact.
func (d *tenants) forward(r *rand.Rand, identity source.Identity, n *int) step {
	ws := workspaces[r.IntN(2)]
	if r.IntN(8) == 0 {
		k := engine.RowKey{Workspace: ws, Key: fmt.Sprint("ct", r.IntN(3))}
		was := d.rows["contact"][k]
		d.rows["contact"][k] = was.with(fields{"name": fmt.Sprint("name ", r.IntN(100))})
		return update("contacts", oldRow(was, identity, true), d.rows["contact"][k])
	}
	k := engine.RowKey{Workspace: ws, Key: fmt.Sprint("m", r.IntN(6))}
	was := d.rows["message"][k]
	if was == nil {
		*n++
		d.rows["message"][k] = message.with(fields{"id": k.Key, "workspace_id": ws, "conversation_id": fmt.Sprint("c", r.IntN(3)), "status": "pending", "created_at": fmt.Sprintf("2026-01-01 00:00:%02d+00", *n)})
		return insert("messages", d.rows["message"][k])
	}
	next := map[string]string{"pending": "sent", "sent": "delivered", "delivered": "read", "read": "read"}[was["status"].(string)]
	d.rows["message"][k] = was.with(fields{"status": next})
	if r.IntN(2) == 0 {
		d.rows["message"][k]["reply_to_id"] = fmt.Sprint("edit ", r.IntN(100)) // which no preview shows
	}
	return update("messages", oldRow(was, identity, true), d.rows["message"][k])
}
