package replay_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	"unsafe"

	"chatbridge/bridge/replay"
	"chatbridge/mapping/contract"
	"chatbridge/socketio"
	"chatbridge/source"
)

// start has a monotonic reading, as the times of production have.
var start = time.Now()

// writer appends events to a log and remembers which packet is which.
type writer struct {
	log    *replay.Log
	now    time.Time
	commit uint64
	names  map[*socketio.Packet]string
	bare   map[string]string // by the text without the offset
	load   int64             // of the event added last
	opts   replay.Options
}

func newWriter(opts replay.Options) *writer {
	return &writer{log: replay.New(opts), now: start, names: make(map[*socketio.Packet]string), bare: make(map[string]string), opts: opts}
}

// add appends one event in a transaction of its own.
func (w *writer) add(workspace string, kind contract.Kind, conversation, message string) source.Position {
	w.commit++
	return w.appendAs(workspace, kind, conversation, message, "")
}

// again appends a status of the latest transaction's message under its other id.
func (w *writer) again(workspace, conversation, message string) source.Position {
	return w.appendAs(workspace, contract.MessageStatus, conversation, message+"'", message)
}

func (w *writer) appendAs(workspace string, kind contract.Kind, conversation, message, of string) source.Position {
	at := source.Position{Commit: w.commit, Index: 1}
	text := fmt.Sprint(w.commit)
	if of != "" {
		at.Index = 2
		text += "0000000"
	}
	packet := socketio.NewEvent("/", kind.String(), []byte(text), []byte(`"offset"`))
	w.load = int64(packet.Size()) + w.opts.MaxBytes/int64(w.opts.MaxEvents)
	w.bare[string(packet.WithoutLast().Text())] = fmt.Sprintf("%d:%s %s%s", w.commit, kind, conversation, message)
	w.names[packet] = fmt.Sprintf("%d:%s %s%s", w.commit, kind, conversation, message)
	space := w.log.Space(workspace)
	defer w.log.Release(space)
	w.log.Append(space, replay.Event{
		Position: at, Kind: kind, Conversation: []byte(conversation), Message: []byte(message), Of: []byte(of), Packet: packet,
	}, w.now)
	return at
}

// read reads the space from next to the end, a few packets at a time.
func (w *writer) read(t *testing.T, s *replay.Space, next uint64, scope replay.Scope) []string {
	t.Helper()
	names, p := []string{}, replay.Place{Next: next}
	for range 100_000 {
		packets, q := w.log.Read(s, nil, p, w.log.Sequence(), 3, scope)
		names = w.append(names, packets)
		if p = q; p.Next == w.log.Sequence() {
			return names
		}
	}
	t.Fatal("the reader never reaches the end")
	return nil
}

// conversation reads one conversation likewise.
func (w *writer) conversation(s *replay.Space, next uint64, id string) []string {
	names := []string{}
	for next < w.log.Sequence() {
		var packets []*socketio.Packet
		packets, next = w.log.ReadConversation(s, nil, id, next, w.log.Sequence(), 3, true, replay.Naming{})
		names = w.append(names, packets)
	}
	return names
}

// append appends the packets' names. One that is not known must be one without
// its offset.
func (w *writer) append(names []string, packets []*socketio.Packet) []string {
	for _, packet := range packets {
		name, ok := w.names[packet]
		if !ok {
			name = w.bare[string(packet.Text())]
		}
		names = append(names, name)
	}
	return names
}

func all(string, uint64) bool  { return true }
func none(string, uint64) bool { return false }

func equal(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n  %q\nwant\n  %q", got, want)
	}
}

func TestNewClientGetsTheNewestOfEach(t *testing.T) {
	w := newWriter(replay.DefaultOptions())
	w.add("w", contract.Message, "a", "")
	w.add("w", contract.Conversation, "a", "")
	w.add("w", contract.MessageStatus, "a", "m1")
	w.add("other", contract.Conversation, "x", "")
	w.add("w", contract.Conversation, "b", "")
	w.add("w", contract.MessageStatus, "a", "m1")
	w.add("w", contract.Conversation, "a", "")
	w.add("w", contract.MessageStatus, "a", "m2")

	equal(t, w.read(t, w.log.Space("w"), 0, replay.Scope{Messages: none}), []string{
		"5:conversation b", "6:messageStatus am1", "7:conversation a", "8:messageStatus am2",
	})
}

// TestStatusUnderTwoIDs: a status under the first of a message's ids replaces an older one
// under each of them, also while it has yet to come under the others.
func TestStatusUnderTwoIDs(t *testing.T) {
	w := newWriter(replay.DefaultOptions())
	newest := func(want ...string) {
		t.Helper()
		equal(t, w.read(t, w.log.Space("w"), 0, replay.Scope{Messages: none}), want)
		equal(t, w.conversation(w.log.Space("w"), 0, "a"), want)
	}
	w.add("w", contract.MessageStatus, "a", "m")
	w.again("w", "a", "m")
	newest("1:messageStatus am", "1:messageStatus am'")
	w.add("w", contract.MessageStatus, "a", "m")
	newest("2:messageStatus am")
	w.again("w", "a", "m")
	newest("2:messageStatus am", "2:messageStatus am'")
	w.add("w", contract.MessageStatus, "a", "m") // it has no other id any more
	w.add("w", contract.MessageStatus, "a", "n")
	newest("3:messageStatus am", "4:messageStatus an")
	w.commit++
	w.again("w", "a", "m") // as the first that a log has of it
	newest("4:messageStatus an", "5:messageStatus am'")
}

func TestReturningClientGetsEverythingAfterItsOffset(t *testing.T) {
	w := newWriter(replay.DefaultOptions())
	w.add("w", contract.Conversation, "a", "")
	at := w.add("w", contract.Message, "a", "")
	w.add("w", contract.Conversation, "a", "")
	w.add("w", contract.Message, "b", "")
	w.add("w", contract.Conversation, "a", "")
	space := w.log.Space("w")

	equal(t, w.read(t, space, w.log.After(space, at), replay.Scope{Everything: true, Messages: all}),
		[]string{"3:conversation a", "4:message b", "5:conversation a"})
	onlyA := func(conversation string, _ uint64) bool { return conversation == "a" }
	equal(t, w.read(t, space, w.log.After(space, at), replay.Scope{Everything: true, Messages: onlyA}),
		[]string{"3:conversation a", "5:conversation a"})
}

func TestSubscriberGetsOneConversationWithItsStatuses(t *testing.T) {
	w := newWriter(replay.DefaultOptions())
	w.add("w", contract.Message, "a", "")
	w.add("w", contract.Message, "b", "")
	w.add("w", contract.MessageStatus, "a", "m1")
	w.add("w", contract.MessageStatus, "a", "m1")
	w.add("w", contract.Message, "a", "")
	space := w.log.Space("w")

	equal(t, w.conversation(space, 0, "a"), []string{"1:message a", "4:messageStatus am1", "5:message a"})
	equal(t, w.conversation(space, 4, "a"), []string{"5:message a"})
	equal(t, w.conversation(space, 0, "unknown"), []string{})
}

func TestReadingStopsWhereItIsTold(t *testing.T) {
	w := newWriter(replay.DefaultOptions())
	for range 5 {
		w.add("w", contract.Message, "a", "")
	}
	space := w.log.Space("w")
	packets, p := w.log.Read(space, nil, replay.Place{}, 3, 10, replay.Scope{Messages: all})
	if len(packets) != 3 || p.Next != 3 || p.Position.Commit != 3 {
		t.Errorf("Read to 3: %d packets, %+v", len(packets), p)
	}
	if packets, next := w.log.ReadConversation(space, nil, "a", 1, 3, 10, true, replay.Naming{}); len(packets) != 2 || next != 3 {
		t.Errorf("ReadConversation from 1 to 3: %d packets, next %d", len(packets), next)
	}
	if packets, next := w.log.ReadConversation(space, nil, "a", 0, 5, 2, true, replay.Naming{}); len(packets) != 2 || next != 2 {
		t.Errorf("ReadConversation of two: %d packets, next %d", len(packets), next)
	}
}

func TestWindowEvicts(t *testing.T) {
	w := newWriter(replay.DefaultOptions())
	old := w.add("w", contract.Conversation, "a", "")
	w.add("w", contract.MessageStatus, "a", "m")
	w.now = start.Add(30 * time.Second)
	kept := w.add("w", contract.Message, "a", "")
	space := w.log.Space("w")

	later := start.Add(61*time.Second + replay.Slack)
	if more := w.log.Expire(space, later, 0, 100); more || w.log.Stats(later).Events != 3 {
		t.Error("what a reader is still to read was evicted")
	}
	w.log.Swept(later)
	if more := w.log.Expire(space, later, 100, 1); !more || w.log.Stats(later).Events != 2 {
		t.Error("more than the limit was evicted, or nothing said to be left")
	}
	if more := w.log.Expire(space, later, 100, 100); more {
		t.Error("something is said to be left")
	}
	w.log.Swept(later)
	equal(t, w.read(t, space, 0, replay.Scope{Messages: all}), []string{"3:message a"})
	if f := space.Newest(); !f.Above(old) || f.Above(kept) || f.Seq != 2 {
		t.Errorf("the floor is %+v", f)
	}
	if f := space.Messages(); f.Seq != 0 || f.Above(old) {
		t.Errorf("a message counts as evicted: %+v", f)
	}
	if s := w.log.Stats(later); s.Events != 1 || s.EvictedEarly != 0 || s.Oldest != 31*time.Second+replay.Slack {
		t.Errorf("Stats = %+v, want 1 event of 36 s, none evicted early", s)
	}
}

// step returns t as it would read had the wall clock been put forward, and the
// monotonic one not. A Time with both has the seconds of the wall clock in the bits
// 30 to 62 of its first word.
func step(t time.Time, by time.Duration) time.Time {
	*(*uint64)(unsafe.Pointer(&t)) += uint64(by/time.Second) << 30
	return t
}

// TestTheWallClockAgesNothing: ages go by the monotonic clock.
func TestTheWallClockAgesNothing(t *testing.T) {
	l := replay.New(replay.Options{Window: time.Minute, MaxEvents: 10, MaxBytes: 1 << 20})
	space := l.Space("w")
	now := time.Now()
	l.Append(space, replay.Event{
		Position: source.Position{Commit: 1}, Kind: contract.Message, Conversation: []byte("a"), Packet: socketio.NewEvent("/", "message"),
	}, now)
	stepped := step(time.Now(), 10*time.Minute)
	if d := stepped.Round(0).Sub(now.Round(0)); d < 9*time.Minute || stepped.Sub(now) > time.Minute {
		t.Fatalf("the clocks were not put apart: %v by the wall, %v", d, stepped.Sub(now))
	}
	l.Expire(space, stepped, 100, 100)
	if s := l.Stats(stepped); s.Events != 1 {
		t.Errorf("%d events left, want 1", s.Events)
	}
}

func TestTheLargestWorkspaceGivesFirst(t *testing.T) {
	w := newWriter(replay.Options{Window: time.Hour, MaxEvents: 40, MaxBytes: 1 << 20})
	for range 5 {
		w.add("quiet", contract.Message, "q", "")
	}
	for range 500 {
		w.add("busy", contract.Message, "b", "")
	}
	if got := len(w.read(t, w.log.Space("quiet"), 0, replay.Scope{Messages: all})); got != 5 {
		t.Errorf("the quiet workspace kept %d of 5 events", got)
	}
	if s := w.log.Stats(w.now); s.Events != 40 || s.EvictedEarly != 465 {
		t.Errorf("Stats = %+v, want 40 events, 465 evicted early", s)
	}
}

func TestTheBusiestConversationGivesFirst(t *testing.T) {
	w := newWriter(replay.Options{Window: time.Hour, MaxEvents: 40, MaxBytes: 1 << 20})
	var last source.Position
	for i := range 5 {
		last = w.add("w", contract.Message, "calm", fmt.Sprint(i))
		w.add("w", contract.Conversation, "calm", "")
	}
	for range 300 {
		w.add("w", contract.Message, "import", "")
	}
	space := w.log.Space("w")
	if got := len(w.conversation(space, 0, "calm")); got != 6 { // and its newest conversation
		t.Errorf("the calm conversation kept %d events, want 6", got)
	}
	if f := space.ConversationMessages("calm"); f.Seq != 0 {
		t.Errorf("the calm conversation has lost something: %+v", f)
	}
	if f := space.ConversationMessages("import"); !f.Above(last) {
		t.Errorf("the import has lost nothing: %+v", f)
	}
}

// TestOneEventMayBeLargerThanTheBound: the newest is kept whatever its size.
func TestOneEventMayBeLargerThanTheBound(t *testing.T) {
	w := newWriter(replay.Options{Window: time.Hour, MaxEvents: 40, MaxBytes: 10})
	for range 3 {
		w.add("w", contract.Message, "a", "")
		if s := w.log.Stats(w.now); s.Events != 1 {
			t.Fatalf("%d events are kept", s.Events)
		}
	}
}

func TestAForgottenWorkspaceClaimsNothing(t *testing.T) {
	w := newWriter(replay.Options{Window: time.Hour, MaxEvents: 3, MaxBytes: 1 << 20})
	first := w.add("w", contract.Message, "q", "")
	w.add("x", contract.Message, "q", "")
	for range 3 {
		w.add("y", contract.Message, "b", "")
	}
	// What is made anew must not claim to hold what may have been evicted.
	w.log.Expire(w.log.Space("w"), start.Add(2*time.Hour), 100, 100)
	space := w.log.Space("w")
	w.log.Release(space)
	w.log.Release(space)
	if f := w.log.Space("w").Messages(); !f.Above(source.Position{}) || f.Position.Compare(first) < 0 {
		t.Errorf("a workspace made anew claims to hold all after %v", f.Position)
	}
}

// TestAConversationThatComesBack: what was forgotten with a conversation is not
// forgotten when it has something again.
func TestAConversationThatComesBack(t *testing.T) {
	w := newWriter(replay.DefaultOptions())
	first := w.add("w", contract.Message, "a", "")
	second := w.add("w", contract.Message, "a", "")
	space := w.log.Space("w")
	w.now = start.Add(2 * time.Minute)
	w.log.Expire(space, w.now, 100, 100)
	w.add("w", contract.Message, "a", "")
	if f := space.ConversationMessages("a"); !f.Above(first) || f.Above(second) {
		t.Errorf("the floor of a conversation that came back is %+v", f)
	}
}

func TestClearLosesWhatWasThere(t *testing.T) {
	w := newWriter(replay.DefaultOptions())
	for range 10 {
		w.add("w", contract.Message, "a", "")
	}
	space := w.log.Space("w")
	before := w.log.Sequence()
	w.log.Clear()
	if f := space.Messages(); f.Seq != before || !f.Position.IsZero() {
		t.Errorf("after Clear the floor is %+v, want the sequence number %d and no position", f, before)
	}
	w.commit = 0
	w.add("w", contract.Message, "a", "")
	if after := w.log.Sequence(); after <= before {
		t.Errorf("sequence numbers went from %d to %d", before, after)
	}
	equal(t, w.read(t, space, before, replay.Scope{Messages: all}), []string{"1:message a"})
}

func TestSinceTime(t *testing.T) {
	w := newWriter(replay.DefaultOptions())
	var times []time.Time
	for i := range 1000 {
		w.now = w.now.Add(time.Duration(i%37) * 3 * time.Millisecond)
		w.add("w", contract.Message, "a", "")
		times = append(times, w.now)
	}
	for i, at := range times {
		seq := w.log.SinceTime(at)
		if seq > uint64(i) && times[seq-1].Equal(at) || seq > uint64(i) && !times[i].Before(at) {
			t.Fatalf("SinceTime of event %d is %d", i, seq)
		}
		if seq < uint64(i) && at.Sub(times[seq]) > 100*time.Millisecond {
			t.Fatalf("SinceTime of event %d is %d, which is %v older", i, seq, at.Sub(times[seq]))
		}
	}
	if seq := w.log.SinceTime(w.now.Add(time.Minute)); seq != w.log.Sequence() {
		t.Errorf("SinceTime of later than everything is %d, want %d", seq, w.log.Sequence())
	}
	if seq := w.log.SinceTime(start.Add(-time.Hour)); seq != 0 {
		t.Errorf("SinceTime of before everything is %d", seq)
	}
}

// TestAgainstModel compares every way of reading with a plain list, under bounds
// that evict from the middle.
func TestAgainstModel(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		w := newWriter(replay.Options{Window: time.Hour, MaxEvents: 30 + rng.IntN(800), MaxBytes: 1 << 20})
		space := w.log.Space("w")
		conversations := 1 + rng.IntN(9)
		var list []held
		newest := map[string][]string{} // also of what is evicted
		latest := func(e held) bool { return slices.Contains(newest[e.key], e.packet) }
		for range 2000 {
			again := false
			if n := len(list); n > 0 && list[n-1].kind == contract.MessageStatus && list[n-1].at.Index == 1 {
				again = rng.IntN(2) > 0
			}
			kind := contract.Kind(1 + rng.IntN(3))
			conversation, message := fmt.Sprintf("c%d", rng.IntN(1+rng.IntN(conversations))), ""
			if kind == contract.MessageStatus {
				message = fmt.Sprintf("m%d", rng.IntN(40))
			}
			key := cmp.Or(message, kind.String()+conversation)
			if again { // the last one's message goes under another id too
				last := list[len(list)-1]
				kind, conversation, key, message = last.kind, last.conversation, last.key, last.key+"'"
			}
			seq := w.log.Sequence()
			var at source.Position
			if again {
				at = w.again("w", conversation, key)
			} else {
				at = w.add("w", kind, conversation, message)
				newest[key] = nil
			}
			list = append(list, held{at, seq, kind, conversation, key, fmt.Sprintf("%d:%s %s%s", w.commit, kind, conversation, message), w.load})
			newest[key] = append(newest[key], list[len(list)-1].packet)
			if len(list) > w.log.Stats(w.now).Events {
				list = w.evicted(t, list, space)
			}
			if rng.IntN(200) > 0 {
				continue
			}
			want := func(keep func(e held) bool) []string {
				names := []string{}
				for _, e := range list {
					if keep(e) {
						names = append(names, e.packet)
					}
				}
				return names
			}
			equal(t, w.read(t, space, 0, replay.Scope{Messages: none}), want(func(e held) bool {
				return e.kind != contract.Message && latest(e)
			}))
			equal(t, w.conversation(space, 0, "c0"), want(func(e held) bool {
				return e.conversation == "c0" && (e.kind == contract.Message || latest(e))
			}))
			from := source.Position{Commit: uint64(1 + rng.IntN(int(w.commit))), Index: 1}
			equal(t, w.read(t, space, w.log.After(space, from), replay.Scope{Everything: true, Messages: all}), want(func(e held) bool {
				return e.at.Compare(from) > 0
			}))
			next := uint64(rng.IntN(int(w.log.Sequence())))
			equal(t, w.read(t, space, next, replay.Scope{Everything: true, Messages: all}), want(func(e held) bool {
				return e.seq >= next
			}))
			w.sameWithOnly(t, space, rng)
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
		w.log.Release(space)
	}
}

// sameWithOnly checks that Scope.Only changes nothing but the time that reading takes:
// the same packets, and the same place after each step.
func (w *writer) sameWithOnly(t *testing.T, space *replay.Space, rng *rand.Rand) {
	t.Helper()
	only := []string{"c0", fmt.Sprintf("c%d", rng.IntN(9)), "none"}[rng.IntN(3):]
	scope := replay.Scope{
		Messages:   func(conversation string, _ uint64) bool { return slices.Contains(only, conversation) },
		Everything: rng.IntN(2) == 0,
	}
	short := scope
	short.Only = only
	at := replay.Place{Next: uint64(rng.IntN(int(w.log.Sequence())))}
	until, limit := w.log.Sequence(), 1+rng.IntN(20)
	if rng.IntN(2) == 0 {
		until = at.Next + 1 + uint64(rng.IntN(20)) // perhaps of evicted ones alone
	}
	for at.Next < until {
		want, place := w.log.Read(space, nil, at, until, limit, scope)
		got, short := w.log.Read(space, nil, at, until, limit, short)
		if !slices.Equal(got, want) || short != place {
			t.Fatalf("from %+v: %d packets to %+v with Only %q, %d to %+v without", at, len(got), short, only, len(want), place)
		}
		at = place
	}
}

// held is an event as the model keeps it.
type held struct {
	at                        source.Position
	seq                       uint64
	kind                      contract.Kind
	conversation, key, packet string
	load                      int64
}

// evicted takes out what the log must have evicted: the oldest event of the
// conversation with the largest load. Where several have it, the log tells which.
func (w *writer) evicted(t *testing.T, list []held, space *replay.Space) []held {
	t.Helper()
	loads, most := map[string]int64{}, int64(0)
	for _, e := range list {
		loads[e.conversation] += e.load
		most = max(most, loads[e.conversation])
	}
	busiest := 0
	for _, load := range loads {
		if load == most {
			busiest++
		}
	}
	if busiest == 1 {
		i := slices.IndexFunc(list, func(e held) bool { return loads[e.conversation] == most })
		return slices.Delete(list, i, i+1)
	}
	packets, _ := w.log.Read(space, nil, replay.Place{}, w.log.Sequence(), 1<<20, replay.Scope{Everything: true, Messages: all})
	there := map[string]bool{}
	for _, p := range packets {
		there[w.names[p]] = true
	}
	seen := map[string]bool{}
	for i, e := range list {
		if !seen[e.conversation] && loads[e.conversation] == most && !there[e.packet] {
			return slices.Delete(list, i, i+1)
		}
		seen[e.conversation] = true
	}
	t.Fatal("the log evicted something else than the oldest event of the busiest conversation")
	return nil
}

func BenchmarkAppend(b *testing.B) {
	l := replay.New(replay.Options{Window: time.Minute, MaxEvents: 100_000, MaxBytes: 1 << 30})
	space := l.Space("5a1e0000-0000-4000-8000-00000000000a")
	packet := socketio.NewEvent("/", "message", []byte(`{}`))
	conversations := make([][]byte, 100)
	for i := range conversations {
		conversations[i] = fmt.Appendf(nil, "5a1e0000-0000-4000-8000-%012d", i)
	}
	b.ReportAllocs()
	for i := range b.N {
		l.Append(space, replay.Event{
			Position: source.Position{Commit: uint64(i)}, Kind: contract.Message,
			Conversation: conversations[i%100], Packet: packet,
		}, start)
	}
}
