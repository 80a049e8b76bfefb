package replay_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"chatbridge/bridge/replay"
	"chatbridge/mapping"
	"chatbridge/socketio"
	"chatbridge/source"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// writer appends events to a log and remembers which packet is which.
type writer struct {
	log    *replay.Log
	now    time.Time
	commit uint64
	names  map[*socketio.Packet]string
}

func newWriter(opts replay.Options) *writer {
	return &writer{log: replay.New(opts), now: start, names: make(map[*socketio.Packet]string)}
}

// add appends one event in a transaction of its own.
func (w *writer) add(workspace string, kind mapping.Kind, conversation, message string) source.Position {
	w.commit++
	at := source.Position{Commit: w.commit, Index: 1}
	packet := socketio.NewEvent("/", kind.String(), fmt.Appendf(nil, "%d", w.commit))
	w.names[packet] = fmt.Sprintf("%d:%s %s%s", w.commit, kind, conversation, message)
	space := w.log.Space(workspace)
	defer w.log.Release(space)
	w.log.Append(space, replay.Event{
		Position: at, Kind: kind, Conversation: []byte(conversation), Message: []byte(message), Packet: packet,
	}, w.now)
	return at
}

// read reads a cursor to its head, a few packets at a time.
func (w *writer) read(t *testing.T, c *replay.Cursor) []string {
	t.Helper()
	names := []string{}
	for range 100_000 {
		packets, atHead, err := c.Next(nil, 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range packets {
			names = append(names, w.names[p])
		}
		if atHead {
			return names
		}
	}
	t.Fatal("the cursor never reaches its head")
	return nil
}

func equal(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n  %q\nwant\n  %q", got, want)
	}
}

func TestNewClientGetsTheNewestOfEach(t *testing.T) {
	w := newWriter(replay.DefaultOptions())
	w.add("w", mapping.Message, "a", "")
	w.add("w", mapping.Conversation, "a", "")
	w.add("w", mapping.MessageStatus, "a", "m1")
	w.add("other", mapping.Conversation, "x", "")
	w.add("w", mapping.Conversation, "b", "")
	w.add("w", mapping.MessageStatus, "a", "m1")
	w.add("w", mapping.Conversation, "a", "")
	w.add("w", mapping.MessageStatus, "a", "m2")

	equal(t, w.read(t, w.log.Space("w").FromStart(replay.Scope{})), []string{
		"5:conversation b", "6:messageStatus am1", "7:conversation a", "8:messageStatus am2",
	})
}

func TestReturningClientGetsEverythingAfterItsOffset(t *testing.T) {
	w := newWriter(replay.DefaultOptions())
	w.add("w", mapping.Conversation, "a", "")
	at := w.add("w", mapping.Message, "a", "")
	w.add("w", mapping.Conversation, "a", "")
	w.add("w", mapping.Message, "b", "")
	w.add("w", mapping.Conversation, "a", "")
	scope := replay.Scope{Everything: true, Messages: true}

	equal(t, w.read(t, w.log.Space("w").After(at, scope)), []string{"3:conversation a", "4:message b", "5:conversation a"})

	scope.Subscribed = func(conversation string) bool { return conversation == "a" }
	equal(t, w.read(t, w.log.Space("w").After(at, scope)), []string{"3:conversation a", "5:conversation a"})
}

func TestSubscriberGetsOneConversationWithItsStatuses(t *testing.T) {
	w := newWriter(replay.DefaultOptions())
	w.add("w", mapping.Message, "a", "")
	w.add("w", mapping.Message, "b", "")
	w.add("w", mapping.MessageStatus, "a", "m1")
	w.add("w", mapping.MessageStatus, "a", "m1")
	w.add("w", mapping.Message, "a", "")
	space := w.log.Space("w")

	equal(t, w.read(t, space.ConversationFrom(0, "a")), []string{"1:message a", "4:messageStatus am1", "5:message a"})
	equal(t, w.read(t, space.ConversationFrom(4, "a")), []string{"5:message a"})
	equal(t, w.read(t, space.ConversationFrom(0, "unknown")), []string{})
}

func TestWhatIsAppendedWhileReadingComesInOrder(t *testing.T) {
	w := newWriter(replay.DefaultOptions())
	for range 5 {
		w.add("w", mapping.Message, "a", "")
	}
	c := w.log.Space("w").ConversationFrom(0, "a")
	first, atHead, err := c.Next(nil, 2)
	if len(first) != 2 || atHead || err != nil {
		t.Fatalf("Next = %d packets, head %v, error %v; want 2, not at the head", len(first), atHead, err)
	}
	w.add("w", mapping.Message, "a", "")
	equal(t, w.read(t, c), []string{"3:message a", "4:message a", "5:message a", "6:message a"})
	w.add("w", mapping.Message, "a", "")
	equal(t, w.read(t, c), []string{"7:message a"})
}

func TestWindowEvicts(t *testing.T) {
	w := newWriter(replay.DefaultOptions())
	old := w.add("w", mapping.Conversation, "a", "")
	slow := w.log.Space("w").FromStart(replay.Scope{})
	w.now = start.Add(30 * time.Second)
	kept := w.add("w", mapping.Message, "a", "")
	w.log.Expire(start.Add(61 * time.Second))

	space := w.log.Space("w")
	equal(t, w.read(t, space.FromStart(replay.Scope{Messages: true})), []string{"2:message a"})
	if !space.Covers(old) || space.Covers(source.Position{}) || !space.Covers(kept) {
		t.Errorf("Covers: evicted %v, before it %v, kept %v; want true false true",
			space.Covers(old), space.Covers(source.Position{}), space.Covers(kept))
	}
	if _, _, err := slow.Next(nil, 1); err != replay.ErrEvicted {
		t.Errorf("a reader whose entries are gone got error %v, want ErrEvicted", err)
	}
	if s := w.log.Stats(start.Add(61 * time.Second)); s.Events != 1 || s.EvictedEarly != 0 || s.Oldest != 31*time.Second {
		t.Errorf("Stats = %+v, want 1 event of 31 s, none evicted early", s)
	}
}

func TestBoundsEvictTheOldestOfAllWorkspaces(t *testing.T) {
	w := newWriter(replay.Options{Window: time.Hour, MaxEvents: 3, MaxBytes: 1 << 20})
	w.add("quiet", mapping.Message, "q", "")
	for range 3 {
		w.add("busy", mapping.Message, "b", "")
	}
	s := w.log.Stats(w.now)
	if s.Events != 3 || s.EvictedEarly != 1 || s.Workspaces != 1 {
		t.Errorf("Stats = %+v, want 3 events of 1 workspace, 1 evicted early", s)
	}
	// The quiet workspace was forgotten with its entry. What is made anew
	// must not claim to hold what was evicted.
	if w.log.Space("quiet").Covers(source.Position{}) {
		t.Error("a workspace made anew covers a position whose event was evicted")
	}
}

func TestSequencesGoOnWhenASpaceIsMadeAnew(t *testing.T) {
	w := newWriter(replay.Options{Window: time.Second, MaxEvents: 100, MaxBytes: 1 << 20})
	for range 10 {
		w.add("w", mapping.Message, "a", "")
	}
	space := w.log.Space("w")
	before := space.Sequence()
	w.log.Expire(start.Add(time.Minute))
	w.log.Release(space)
	w.add("w", mapping.Message, "a", "")
	if after := w.log.Space("w").Sequence(); after <= before {
		t.Errorf("the sequence went from %d to %d", before, after)
	}
}

// TestAgainstModel compares every way of reading with a plain list that is
// filtered afresh each time.
func TestAgainstModel(t *testing.T) {
	type event struct {
		at                        source.Position
		kind                      mapping.Kind
		conversation, key, packet string
	}
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		w := newWriter(replay.Options{Window: time.Hour, MaxEvents: 50 + rng.IntN(200), MaxBytes: 1 << 30})
		var all []event
		for range 400 {
			kind := mapping.Kind(1 + rng.IntN(3))
			conversation, message := fmt.Sprintf("c%d", rng.IntN(7)), ""
			if kind == mapping.MessageStatus {
				message = fmt.Sprintf("m%d", rng.IntN(9))
			}
			at := w.add("w", kind, conversation, message)
			key := kind.String() + conversation
			if message != "" {
				key = message
			}
			all = append(all, event{at, kind, conversation, key, fmt.Sprintf("%d:%s %s%s", w.commit, kind, conversation, message)})
			if rng.IntN(20) > 0 {
				continue
			}
			held := all[len(all)-w.log.Stats(w.now).Events:]
			newest := map[string]string{}
			for _, e := range held {
				newest[e.key] = e.packet
			}
			want := func(keep func(e event) bool) []string {
				names := []string{}
				for _, e := range held {
					if keep(e) {
						names = append(names, e.packet)
					}
				}
				return names
			}
			space := w.log.Space("w")
			equal(t, w.read(t, space.FromStart(replay.Scope{})), want(func(e event) bool {
				return e.kind != mapping.Message && newest[e.key] == e.packet
			}))
			equal(t, w.read(t, space.ConversationFrom(0, "c3")), want(func(e event) bool {
				return e.conversation == "c3" && (e.kind == mapping.Message || newest[e.key] == e.packet)
			}))
			from := held[rng.IntN(len(held))].at
			equal(t, w.read(t, space.After(from, replay.Scope{Everything: true, Messages: true})), want(func(e event) bool {
				return e.at.Compare(from) > 0
			}))
			w.log.Release(space)
		}
	}
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
			Position: source.Position{Commit: uint64(i)}, Kind: mapping.Message,
			Conversation: conversations[i%100], Packet: packet,
		}, start)
	}
}
