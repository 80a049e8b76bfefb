package engine_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"chatbridge/mapping"
	"chatbridge/mapping/contract"
	"chatbridge/mapping/engine"
	"chatbridge/source"

	"github.com/google/go-cmp/cmp"
)

func expect(t *testing.T, got, want string) {
	t.Helper()
	if diff := cmp.Diff(strings.TrimSpace(want), strings.TrimSpace(got)); diff != "" {
		t.Errorf("events differ (- want, + got):\n%s", diff)
	}
}

// The order and the indexes of a transaction's events must be the same on a
// bridge that knows everything, one that knows nothing, and one that looks up.
func TestIndexesDependOnTheRowsAlone(t *testing.T) {
	t.Parallel()
	spec := load(t, "crm")
	steps := func() []step {
		return []step{
			update("conversations", conversation, conversation.with(fields{"unread_count": "3"})),
			insert("messages", message),
			update("messages", message, message.with(fields{"status": "read", "body": "edited", "external_id": "3EB0"})),
			insert("messages", message.with(fields{"id": "m2", "conversation_id": "c2"})),
			update("conversations", conversation, conversation.with(fields{"is_typing": "t", "contact_id": "ct2"})),
		}
	}
	want := `
5 message c1 m1
9 messageStatus c1 m1
10 messageStatus c1 3EB0
12 message c1 m1
13 message c2 m2
17 typing c1 c1
21 conversation c1 c1
27 conversation c2 c2
`
	cold := newWorld(t, spec, engine.Options{})
	expect(t, outline(cold.tx(steps()...)), want)
	warm := newWorld(t, spec, engine.Options{})
	warm.tx(insert("contacts", ana), insert("conversations", conversation))
	expect(t, outline(warm.tx(steps()...)), want)
	asks := newWorld(t, spec, engine.Options{Lookup: &answers{found: []engine.Found{found(spec, "contact", false, ana)}}})
	expect(t, outline(asks.tx(steps()...)), want)
}

// One lookup for a transaction, however many rows lack something; none for the
// next transaction; and everything in the order of the rows.
func TestOneLookupForATransaction(t *testing.T) {
	t.Parallel()
	spec := load(t, "crm")
	a := &answers{found: []engine.Found{
		found(spec, "conversation", false, conversation),
		found(spec, "contact", false, ana),
		found(spec, "conversation", false, conversation.with(fields{"id": "c2"})),
	}}
	w := newWorld(t, spec, engine.Options{Lookup: a})
	var steps []step
	for i := range 10 {
		steps = append(steps, insert("messages", message.with(fields{"id": fmt.Sprint("m", i), "conversation_id": fmt.Sprint("c", 1+i%2)})),
			update("messages", message, message.with(fields{"status": "read"})))
	}
	events := w.tx(steps...)
	if len(a.asked) != 1 {
		t.Fatalf("asked %d times: %+v", len(a.asked), a.asked)
	}
	if diff := cmp.Diff([]engine.RowKey{{Workspace: "w1", Key: "c1"}, {Workspace: "w1", Key: "c2"}}, a.asked[0].Conversations); diff != "" {
		t.Error(diff)
	}
	for i := 1; i < len(events); i++ {
		if events[i].Index <= events[i-1].Index {
			t.Errorf("event %d has index %d after %d", i, events[i].Index, events[i-1].Index)
		}
	}
	if !strings.Contains(string(events[0].Payload), `"senderId":"5511987654321"`) {
		t.Errorf("the contact's phone is missing: %s", events[0].Payload)
	}
	w.tx(steps...)
	s := w.m.Stats()
	if len(a.asked) != 1 || s.Lookups.Batches != 1 || s.Lookups.Hits == 0 || s.Lookups.Misses != 2 {
		t.Errorf("a second transaction asked again: %d times, %+v", len(a.asked), s.Lookups)
	}
}

// What was looked up and not found is not asked for again for a while; the
// stream overrules it at once.
func TestWhatDoesNotExistIsRemembered(t *testing.T) {
	t.Parallel()
	spec := load(t, "crm")
	a := &answers{}
	w := newWorld(t, spec, engine.Options{Lookup: a, Refresh: time.Minute})
	w.tx(insert("messages", message))
	w.tx(insert("messages", message.with(fields{"id": "m2"})))
	if len(a.asked) != 1 {
		t.Errorf("asked %d times", len(a.asked))
	}
	w.time = w.time.Add(2 * time.Minute)
	w.tx(insert("messages", message.with(fields{"id": "m3"})))
	if len(a.asked) != 2 {
		t.Errorf("asked %d times after the answer grew old", len(a.asked))
	}
	w.tx(insert("contacts", ana), insert("conversations", conversation))
	events := w.tx(insert("messages", message.with(fields{"id": "m4"})))
	if len(a.asked) != 2 || !strings.Contains(string(events[0].Payload), "5511987654321") {
		t.Errorf("asked %d times, %s", len(a.asked), events[0].Payload)
	}
}

// A contact that is in no publication is looked up again after a while; one
// that the stream shows is not.
func TestUnpublishedRowsGrowOld(t *testing.T) {
	t.Parallel()
	spec := load(t, "crm")
	a := &answers{found: []engine.Found{found(spec, "contact", false, ana)}}
	w := newWorld(t, spec, engine.Options{Lookup: a, Refresh: time.Minute})
	w.tx(insert("conversations", conversation))
	a.found = []engine.Found{found(spec, "contact", false, ana.with(fields{"name": "Ana Maria"}))}
	w.tx(insert("messages", message))
	w.time = w.time.Add(time.Minute)
	events := w.tx(insert("messages", message))
	if len(a.asked) != 2 || !strings.Contains(payloads(events), `"name":"Ana Maria"`) {
		t.Errorf("asked %d times: %s", len(a.asked), payloads(events))
	}
	// While nobody answers, an old name is better than none.
	a.err, a.found = context.DeadlineExceeded, nil
	w.time = w.time.Add(time.Hour)
	if events = w.tx(insert("messages", message)); !strings.Contains(payloads(events), `"name":"Ana Maria"`) {
		t.Errorf("the old answer was dropped: %s", payloads(events))
	}
	if s := w.m.Stats().Lookups; s.Timeouts != 1 || s.Unanswered == 0 {
		t.Errorf("stats: %+v", s)
	}
}

// A row that was looked up never replaces one that the stream has shown, and an
// older message never replaces a newer one as the newest.
func TestLookupsDoNotOverruleTheStream(t *testing.T) {
	t.Parallel()
	spec := load(t, "crm")
	a := &answers{found: []engine.Found{
		found(spec, "conversation", false, conversation.with(fields{"whatsapp_number_id": "old"})),
		found(spec, "contact", false, ana.with(fields{"name": "Old"})),
		found(spec, "contact", false, ana.with(fields{"id": "ct2", "name": "Bia"})),
		found(spec, "message", true, message.with(fields{"id": "m0", "body": "older", "created_at": "2026-02-05 18:00:00+00"})),
	}}
	w := newWorld(t, spec, engine.Options{Lookup: a})
	w.tx(insert("contacts", ana), insert("conversations", conversation.with(fields{"whatsapp_number_id": "new"})), insert("messages", message))
	events := w.tx(insert("conversations", conversation.with(fields{"id": "c2", "contact_id": "ct2"})), // asks
		update("conversations", conversation, conversation.with(fields{"last_message_at": "2026-02-05 18:58:02+00", "whatsapp_number_id": "new"})))
	if len(a.asked) != 1 {
		t.Fatalf("asked %d times", len(a.asked))
	}
	expect(t, payloads(events), `
9 conversation {"id":"c2","workspaceId":"w1","contactId":"ct2","channel":"whatsapp","participants":[{"id":"ct2","name":"Bia"}],"updatedAt":"2026-01-01T00:00:00.000Z"}
11 conversation {"id":"c1","workspaceId":"w1","contactId":"ct1","whatsappNumberId":"new","channel":"whatsapp","participants":[{"id":"ct1","name":"Ana"}],"lastMessage":{"id":"m1","content":"hi","senderId":"5511987654321","createdAt":"2026-02-05T18:58:02.000Z"},"updatedAt":"2026-01-01T00:00:00.000Z"}
`)
}

// A lookup that fails costs what only it could tell, nothing else.
func TestLookupFails(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{"timeout": fmt.Errorf("read: %w", context.DeadlineExceeded), "error": errors.New("no")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, load(t, "crm"), engine.Options{Lookup: &answers{err: err}})
			events := w.tx(insert("messages", message.with(fields{"whatsapp_number_id": "n1"})))
			expect(t, payloads(events), `
1 message {"id":"m1","workspaceId":"w1","conversationId":"c1","senderId":"99900000000","type":"text","content":"hi","status":"sent","createdAt":"2026-02-05T18:58:02.000Z"}
5 conversation {"id":"c1","workspaceId":"w1","whatsappNumberId":"n1","channel":"whatsapp","participants":[],"lastMessage":{"id":"m1","content":"hi","senderId":"99900000000","createdAt":"2026-02-05T18:58:02.000Z"},"updatedAt":"2026-02-05T18:58:02.000Z"}
`)
			if s := w.m.Stats().Lookups; s.Timeouts+s.Errors != 1 {
				t.Errorf("stats: %+v", s)
			}
		})
	}
}

// A transaction of 100,000 rows is mapped in batches: memory stays bounded, and
// each conversation gets one event for each batch that changed it.
func TestLargeTransaction(t *testing.T) {
	// Not parallel: it measures the heap.
	const rows, batch = 100_000, 1000
	spec := load(t, "crm")
	a := &answers{found: []engine.Found{found(spec, "conversation", false, conversation), found(spec, "contact", false, ana)}}
	w := newWorld(t, spec, engine.Options{Lookup: a, BatchRows: batch, RememberRows: 4000})
	rel := w.relation("messages", message)
	row := rowOf(rel, message)
	body := slot(rel, "body")
	var counts [5]int
	var last uint32
	emit := func(e *contract.Event) error {
		counts[e.Kind]++
		if e.Index <= last {
			return fmt.Errorf("index %d after %d", e.Index, last)
		}
		last = e.Index
		return nil
	}
	var before, after runtime.MemStats
	w.m.Begin(source.Tx{Commit: 1, Time: w.time})
	for i := range rows {
		if i == rows/10 {
			runtime.GC()
			runtime.ReadMemStats(&before)
		}
		row[body].Data = fmt.Appendf(row[body].Data[:0], "%d %s", i, strings.Repeat("x", i%500))
		if err := w.m.Change(&source.Change{Op: source.Insert, Relation: rel, New: row}, emit); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if err := w.m.Commit(emit); err != nil {
		t.Fatal(err)
	}
	if counts[contract.Message] != rows || counts[contract.Conversation] != rows/batch {
		t.Errorf("got %v", counts)
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
}

func slot(rel *source.Relation, column string) int {
	for i, c := range rel.Columns {
		if c.Name == column {
			return i
		}
	}
	return -1
}

// What is remembered stays within its bounds, and what is pushed out is looked
// up again.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	spec := load(t, "crm")
	a := &answers{}
	w := newWorld(t, spec, engine.Options{Lookup: a, RememberRows: 100, RememberBytes: 1, BatchRows: 10, BatchBytes: 10_000, RememberMessages: 50})
	w.identity = source.IdentityDefault
	for i := range 500 {
		w.tx(insert("conversations", conversation.with(fields{"id": fmt.Sprint("c", i), "contact_id": fmt.Sprint("ct", i)})),
			insert("messages", message.with(fields{"id": fmt.Sprint("m", i), "conversation_id": fmt.Sprint("c", i), "body": strings.Repeat("x", i)})))
		s := w.m.Stats()
		if s.RememberedRows > 100 || s.RememberedBytes > 40_000+2000 || s.RememberedMessages > 50 {
			t.Fatalf("after %d conversations: %+v", i, s)
		}
	}
	if s := w.m.Stats(); s.Evicted == 0 {
		t.Errorf("stats: %+v", s)
	}
	asked := len(a.asked)
	w.tx(insert("messages", message.with(fields{"conversation_id": "c0", "id": "x"})))
	if len(a.asked) != asked+1 {
		t.Error("a conversation that was pushed out was not looked up")
	}
	// The oldest message is forgotten, the newest is not.
	if got := outline(w.tx(update("messages", nil, message.with(fields{"id": "m0", "conversation_id": "c0", "body": "edited"})))); got != "1 messageStatus c0 m0\n" {
		t.Errorf("forgotten message: %s", got)
	}
	if got := outline(w.tx(update("messages", nil, message.with(fields{"id": "m499", "conversation_id": "c499", "body": "edited"})))); got != "4 message c499 m499\n5 conversation c499 c499\n" {
		t.Errorf("remembered message: %s", got)
	}
}

// A transaction that the connection cut short comes again: nothing that it did
// to memory may hide an event.
func TestTransactionComesAgain(t *testing.T) {
	t.Parallel()
	spec := load(t, "chatengine")
	w := newWorld(t, spec, engine.Options{})
	w.identity = source.IdentityDefault
	conv := fields{"id": "c1", "workspace_id": "w1", "contact_id": "ct1", "updated_at": "2026-01-01 00:00:00+00"}
	msg := fields{"id": "m1", "workspace_id": "w1", "conversation_id": "c1", "content": "x", "status": "sent", "created_at": "2026-01-01 00:00:00+00"}
	w.tx(insert("conversations", conv), insert("messages", msg))
	steps := []step{
		update("conversations", nil, conv.with(fields{"contact_id": "ct2"})),
		update("messages", nil, msg.with(fields{"content": "edited"})),
		update("messages", nil, msg.with(fields{"content": "edited", "status": "read"})),
	}
	w.begin()
	for _, s := range steps {
		w.change(s)
	}
	w.commit--
	got := outline(w.tx(steps...))
	for _, want := range []string{"8 message c1 m1\n", "9 messageStatus c1 m1\n", "13 conversation c1 c1\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
}

// After a Gap nothing that is remembered may be believed.
func TestForget(t *testing.T) {
	t.Parallel()
	spec := load(t, "crm")
	a := &answers{}
	w := newWorld(t, spec, engine.Options{Lookup: a})
	w.tx(insert("contacts", ana), insert("conversations", conversation))
	w.m.Forget()
	w.tx(insert("messages", message))
	if len(a.asked) != 1 {
		t.Errorf("asked %d times", len(a.asked))
	}
	if s := w.m.Stats(); s.RememberedRows == 0 {
		t.Errorf("stats: %+v", s)
	}
}

// emit's error ends the call that made the event, at once.
func TestEmitFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, load(t, "crm"), engine.Options{})
	stop := errors.New("stop")
	calls := 0
	fail := func(*contract.Event) error { calls++; return stop }
	rel := w.relation("messages", message)
	c := &source.Change{Op: source.Insert, Relation: rel, New: rowOf(rel, message)}
	w.m.Begin(source.Tx{Commit: 1})
	if err := w.m.Change(c, fail); !errors.Is(err, stop) || calls != 1 {
		t.Errorf("Change: %v after %d calls", err, calls)
	}
	if err := w.m.Commit(fail); !errors.Is(err, stop) || calls != 2 {
		t.Errorf("Commit: %v after %d calls", err, calls)
	}
}

// Realtime writes times with a T, booleans as words, and JSON with any space.
func TestRealtimeForms(t *testing.T) {
	t.Parallel()
	w := newWorld(t, load(t, "crm"), engine.Options{})
	w.tx(insert("contacts", ana), insert("conversations", conversation.with(fields{"is_typing": "false", "updated_at": "2026-01-01T00:00:00.5+00:00"})))
	got := payloads(w.tx(
		insert("messages", message.with(fields{"is_outgoing": "true", "created_at": "2026-02-05T15:58:02.123456-03:00", "quoted_message": " {\"a\" :1}\n"})),
		update("conversations", conversation.with(fields{"is_typing": "false"}), conversation.with(fields{"is_typing": "true"}))))
	expect(t, got, `
1 message {"id":"m1","workspaceId":"w1","conversationId":"c1","senderId":"me","type":"text","content":"hi","status":"sent","metadata":{"quotedMessage": {"a" :1}
},"createdAt":"2026-02-05T18:58:02.123Z"}
5 typing {"conversationId":"c1","userId":"ct1","isTyping":true}
9 conversation {"id":"c1","workspaceId":"w1","contactId":"ct1","channel":"whatsapp","participants":[{"id":"ct1","name":"Ana"}],"lastMessage":{"id":"m1","content":"hi","senderId":"me","createdAt":"2026-02-05T18:58:02.123Z"},"updatedAt":"2026-01-01T00:00:00.000Z"}
`)
}

// A row of which the source sent only a part is completed from the old row,
// from memory or by a lookup, and its event is never sent with less.
func TestPartialRows(t *testing.T) {
	t.Parallel()
	spec := load(t, "crm")
	a := &answers{found: []engine.Found{found(spec, "message", false, message.with(fields{"body": "read back"}))}}
	w := newWorld(t, spec, engine.Options{Lookup: a})
	w.identity = source.IdentityDefault
	w.tx(insert("contacts", ana), insert("conversations", conversation), insert("messages", message))
	got := payloads(w.tx(update("messages", nil, message.with(fields{"body": absent, "external_id": "X"}))))
	if len(a.asked) != 1 || len(a.asked[0].Messages) != 1 || !strings.Contains(got, `"content":"read back"`) {
		t.Errorf("asked %+v, got %s", a.asked, got)
	}
	a.found = nil
	w.tx(insert("messages", message.with(fields{"id": "m2"})))
	if got = payloads(w.tx(update("messages", nil, message.with(fields{"id": "m2", "body": unchanged, "external_id": "X"})))); got != "" {
		t.Errorf("an event was made without its content: %s", got)
	}
	if s := w.m.Stats(); s.Unmappable["value_not_sent"] != 1 {
		t.Errorf("stats: %+v", s.Unmappable)
	}
}

// The last resort for a time that the contract requires is the commit's.
func TestTimeWithoutForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t, load(t, "crm"), engine.Options{})
	for _, at := range []any{"infinity", "-infinity", nil, "275760-09-13 00:00:00.001+00"} {
		got := payloads(w.tx(insert("messages", message.with(fields{"created_at": at}))))
		if !strings.Contains(got, `"status":"sent","createdAt":"2026-02-05T18:58:02.123Z"`) {
			t.Errorf("created_at %v: %s", at, got)
		}
	}
}

// A body of 1 MB goes through whole, and through memory.
func TestLargeBody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, load(t, "crm"), engine.Options{})
	body := strings.Repeat("0123456789\"\\\nção 😀", 50_000)
	events := w.tx(insert("conversations", conversation), insert("messages", message.with(fields{"body": body})))
	want := `"content":` + jsonString(t, body)
	for _, e := range events {
		if !strings.Contains(string(e.Payload), want) {
			t.Errorf("%s lacks the body", e.Kind)
		}
	}
	if len(events) != 2 {
		t.Errorf("%d events", len(events))
	}
}

// Warnings come once for a table and reason; the counters have them all.
func TestWarningsComeOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, load(t, "crm"), engine.Options{})
	for i := range 5 {
		w.tx(insert("messages", message.with(fields{"id": fmt.Sprint("m", i), "workspace_id": nil})),
			insert("messages", message.with(fields{"id": fmt.Sprint("n", i), "status": "odd"})))
	}
	var reasons []string
	for _, warning := range w.warnings {
		if warning.Reason == "unknown_word" && !strings.Contains(warning.Detail, `"odd"`) {
			t.Errorf("the word is not named: %s", warning.Detail)
		}
		if warning.Reason != "missing_column" {
			reasons = append(reasons, warning.Reason+" "+warning.Key)
		}
	}
	if diff := cmp.Diff([]string{"no_workspace m0", "unknown_word n0"}, reasons); diff != "" {
		t.Error(diff)
	}
	// An event that waits for a lookup is made twice and counted once.
	asks := newWorld(t, load(t, "crm"), engine.Options{Lookup: &answers{}})
	asks.tx(insert("messages", message.with(fields{"status": "odd"})))
	if n := asks.m.Stats().UnknownWords["message.status"]; n != 1 {
		t.Errorf("counted %d unknown words, want 1", n)
	}
	s := w.m.Stats()
	if s.Unmappable["no_workspace"] != 5 || s.UnknownWords["message.status"] != 5 || s.Events["message"] != 5 {
		t.Errorf("stats: %+v", s)
	}
	if diff := cmp.Diff([]engine.RowCount{{Table: "message", Op: "insert", N: 10}}, s.Rows); diff != "" {
		t.Error(diff)
	}
}

// A conversation that a transaction makes and deletes again is not told of.
func TestDeletedWithinTheTransaction(t *testing.T) {
	t.Parallel()
	w := newWorld(t, load(t, "crm"), engine.Options{})
	got := outline(w.tx(insert("conversations", conversation), insert("messages", message),
		step{op: source.Delete, table: "messages", old: message}, step{op: source.Delete, table: "conversations", old: conversation},
		insert("messages", message.with(fields{"id": "m2", "conversation_id": "c2"}))))
	expect(t, got, `
5 message c1 m1
17 message c2 m2
29 conversation c2 c2
`)
}

// Large values of other tables than the event's own are read back from there.
func TestPartialRowsOfOtherTables(t *testing.T) {
	t.Parallel()
	spec, err := mapping.Parse("crm", "own.yaml", []byte("message:\n  members:\n    metadata: {object: {jid: conversation.remote_jid, name: contact.name}}"))
	if err != nil {
		t.Fatal(err)
	}
	a := &answers{found: []engine.Found{
		found(spec, "conversation", false, conversation.with(fields{"remote_jid": "read back"})),
		found(spec, "contact", false, ana.with(fields{"name": "read back too"})),
	}}
	w := newWorld(t, spec, engine.Options{Lookup: a})
	w.identity = source.IdentityDefault
	w.tx(update("contacts", nil, ana.with(fields{"name": unchanged})), update("conversations", nil, conversation.with(fields{"remote_jid": unchanged})))
	got := payloads(w.tx(insert("messages", message)))
	if !strings.Contains(got, `"metadata":{"jid":"read back","name":"read back too"}`) {
		t.Errorf("asked %+v, got %s", a.asked, got)
	}
}

// Stats may be read while rows are mapped.
func TestStatsWhileMapping(t *testing.T) {
	t.Parallel()
	w := newWorld(t, load(t, "crm"), engine.Options{})
	done := make(chan uint64)
	stop := make(chan struct{})
	go func() {
		var seen uint64
		for {
			select {
			case <-stop:
				done <- seen
				return
			default:
				seen = w.m.Stats().Events["message"]
			}
		}
	}()
	for i := range 200 {
		w.tx(insert("messages", message.with(fields{"id": fmt.Sprint("m", i), "status": "odd"})))
	}
	close(stop)
	if seen := <-done; seen > 200 {
		t.Errorf("saw %d messages of 200", seen)
	}
	if n := w.m.Stats().Events["message"]; n != 200 {
		t.Errorf("counted %d messages of 200", n)
	}
}

// Without lookups a change of a contact reaches the conversations that are
// remembered; with them all, up to the limit, in the order of their keys.
func TestContactChanges(t *testing.T) {
	t.Parallel()
	spec := load(t, "crm")
	w := newWorld(t, spec, engine.Options{})
	w.tx(insert("contacts", ana), insert("conversations", conversation.with(fields{"id": "c2"})), insert("conversations", conversation),
		insert("conversations", conversation.with(fields{"id": "c3", "contact_id": "ct2"})))
	renamed := ana.with(fields{"name": "Ana Maria"})
	expect(t, outline(w.tx(update("contacts", ana, renamed))), "7 conversation c1 c1\n8 conversation c2 c2")
	expect(t, outline(w.tx(update("contacts", renamed, renamed.with(fields{"email": "x"})))), "")

	a := &answers{}
	for i := range 100 {
		a.found = append(a.found, found(spec, "conversation", false, conversation.with(fields{"id": fmt.Sprintf("c%03d", 99-i)})))
	}
	w = newWorld(t, spec, engine.Options{Lookup: a})
	events := w.tx(update("contacts", ana, renamed), insert("messages", message.with(fields{"conversation_id": "c050"})))
	if len(events) != 2+engine.RelatedLimit || string(events[1].Key) != "c050" || string(events[2].Key) != "c000" || !strings.Contains(payloads(events), "Ana Maria") {
		t.Errorf("%d events: %s", len(events), outline(events))
	}
	next := w.tx(update("contacts", renamed, ana))
	if last := events[len(events)-1].Index; len(next) != engine.RelatedLimit || last > 13+engine.RelatedLimit {
		t.Errorf("%d events, the last index was %d", len(next), last)
	}
	if len(a.asked) != 2 || len(a.asked[0].Related) != 1 {
		t.Errorf("asked %+v", a.asked)
	}
}

// Rows that grow old together are looked up together, and at most once a
// second: meanwhile the old ones are good enough.
func TestOldRowsAreLookedUpTogether(t *testing.T) {
	t.Parallel()
	const contacts = 100
	spec := load(t, "crm")
	a := &answers{}
	w := newWorld(t, spec, engine.Options{Lookup: a, Refresh: time.Minute})
	contact := func(i int, name string) fields { return ana.with(fields{"id": fmt.Sprint("ct", i), "name": name}) }
	for i := range contacts {
		a.found = append(a.found, found(spec, "contact", false, contact(i, "Old")))
	}
	var conversations []step
	for i := range contacts {
		conversations = append(conversations, insert("conversations", conversation.with(fields{"id": fmt.Sprint("c", i), "contact_id": fmt.Sprint("ct", i)})))
	}
	w.tx(conversations...)
	a.found = []engine.Found{found(spec, "contact", false, contact(0, "New"))}
	w.time = w.time.Add(time.Hour)
	send := func(i int) string {
		return payloads(w.tx(insert("messages", message.with(fields{"id": fmt.Sprint("m", i), "conversation_id": fmt.Sprint("c", i)}))))
	}
	if got := send(0); len(a.asked) != 2 || !strings.Contains(got, `"name":"New"`) {
		t.Errorf("the first: asked %d times, %s", len(a.asked), got)
	}
	a.asked = nil
	a.found = a.found[:0]
	for i := 1; i < contacts-1; i++ {
		w.time = w.time.Add(time.Millisecond)
		if got := send(i); len(a.asked) != 0 || !strings.Contains(got, `"name":"Old"`) {
			t.Fatalf("contact %d: asked %d times, %s", i, len(a.asked), got)
		}
	}
	w.time = w.time.Add(time.Second)
	send(contacts - 1)
	if len(a.asked) != 1 || len(a.asked[0].References) != 1 || len(a.asked[0].References[0].Keys) != contacts-1 {
		t.Errorf("asked %+v", a.asked)
	}
}

// A large value is asked for together with what else the event lacks.
func TestLargeValueAndConversationAreAskedForTogether(t *testing.T) {
	t.Parallel()
	spec, err := mapping.Parse("crm", "own.yaml", []byte("message: {unknown: changed}"))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, spec, engine.Options{Lookup: &answers{found: []engine.Found{
		found(spec, "message", false, message.with(fields{"body": "large"})), found(spec, "conversation", false, conversation), found(spec, "contact", false, ana),
		found(spec, "message", true, message.with(fields{"body": "large"})),
	}}})
	w.identity = source.IdentityDefault
	events := w.tx(update("messages", nil, message.with(fields{"body": unchanged})))
	if len(events) != 3 || !strings.Contains(string(events[1].Payload), `"content":"large"`) {
		t.Errorf("events %s; warned %v", payloads(events), w.warnings)
	}
}
