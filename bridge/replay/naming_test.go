package replay_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chatbridge/bridge/replay"
	"chatbridge/mapping/contract"
	"chatbridge/socketio"
	"chatbridge/source"
)

// TestReadersCostNoEvent: what is made for readers takes room that no event wants, and
// goes before an event does.
func TestReadersCostNoEvent(t *testing.T) {
	const fits = 100
	size := int64(socketio.NewEvent("/", "message", []byte(`{"id":"m00"}`), []byte(`"offset"`)).Size())
	w := newWriter(replay.Options{Window: time.Minute, MaxEvents: 2 * fits, MaxBytes: fits * size})
	space := w.log.Space("w")
	read := func(other bool) {
		for range 2 {
			w.log.ReadConversation(space, nil, "a", 0, w.log.Sequence(), 2*fits, true, replay.Naming{Other: other})
		}
	}
	for i := range fits {
		w.commit++
		w.log.Append(space, replay.Event{
			Position: source.Position{Commit: w.commit, Index: 1}, Kind: contract.Message, Conversation: []byte("a"),
			Packet: socketio.NewEvent("/", "message", fmt.Appendf(nil, `{"id":"m%02d"}`, i), []byte(`"offset"`)),
			Other:  fmt.Appendf(nil, "P%02d", i),
		}, w.now)
		if i == fits/2 { // half of the room is left
			before := w.log.Stats(w.now).Bytes
			if read(false); w.log.Stats(w.now).Bytes != before {
				t.Errorf("%d bytes, and %d before the events were read without their offsets", w.log.Stats(w.now).Bytes, before)
			}
		}
		read(true)
		if s := w.log.Stats(w.now); s.Bytes > fits*size || s.Events != i+1 || s.EvictedEarly > 0 {
			t.Fatalf("after %d of %d events that fit: %+v", i+1, fits, s)
		}
	}
	if s := w.log.Stats(w.now); s.Bytes != fits*size {
		t.Errorf("%d bytes, want %d, the events alone", s.Bytes, fits*size)
	}
	for w.log.Expire(space, w.now.Add(time.Hour), ^uint64(0), 1) {
	}
	if s := w.log.Stats(w.now); s.Bytes != 0 || s.Events != 0 {
		t.Errorf("when all has gone: %+v", s)
	}
}

// TestOtherNames: a reader is given messages under the ids that it asks for, and what is
// made for that is counted as long as the entry is there.
func TestOtherNames(t *testing.T) {
	w := newWriter(replay.Options{Window: time.Minute, MaxEvents: 100, MaxBytes: 1 << 20})
	space := w.log.Space("w")
	packet := func(id string) string { return `2["message",{"id":"` + id + `","x":"{}"},"offset"]` }
	add := func(id, other string, again bool, created int64) {
		w.commit++
		w.log.Append(space, replay.Event{
			Position: source.Position{Commit: w.commit, Index: 1}, Kind: contract.Message, Conversation: []byte("a"),
			Packet: socketio.NewEvent("/", "message", []byte(`{"id":"`+id+`","x":"{}"}`), []byte(`"offset"`)),
			Other:  []byte(other), Again: again, Created: created,
		}, w.now)
	}
	add("m1", "P1", false, 0)
	add("m2", "P2", false, 0)
	add("m3", "", false, 0)
	add("m4", "P4", true, 10)
	add("m5", "P5", true, 11)
	naming := replay.Naming{Other: true, Since: source.Position{Commit: 1, Index: 1}, Created: 10}
	all := func(string, uint64) bool { return true }
	read := func(s replay.Scope) (out []string) {
		s.Messages = all
		packets, _ := w.log.Read(space, nil, replay.Place{}, w.log.Sequence(), 100, s)
		for _, p := range packets {
			out = append(out, string(p.Text()))
		}
		return out
	}
	own, other := []string{"m1", "m2", "m3", "m4", "m5"}, []string{"m1", "P2", "m3", "m4", "P5"}
	before := w.log.Stats(w.now).Bytes
	for range 2 {
		for i, got := range read(replay.Scope{}) {
			if got != packet(own[i]) {
				t.Errorf("under their own ids: %s", got)
			}
		}
		for i, got := range read(replay.Scope{Naming: naming}) {
			if got != packet(other[i]) {
				t.Errorf("under ChatEngine's: %s, want %s", got, other[i])
			}
		}
		bare := read(replay.Scope{Naming: naming, Bare: source.Position{Commit: 99}})
		packets, _ := w.log.ReadConversation(space, nil, "a", 0, w.log.Sequence(), 100, true, naming)
		for i, got := range bare {
			if want := strings.Replace(packet(other[i]), `,"offset"`, "", 1); got != want || string(packets[i].Text()) != want {
				t.Errorf("without offsets: %s, and of the conversation %s, want %s", got, packets[i].Text(), want)
			}
		}
		if n := w.log.Stats(w.now).Bytes; n <= before {
			t.Errorf("%d bytes, with what was made for readers, after %d", n, before)
		} else {
			before = n - 1 // reading again makes nothing new
		}
	}
	if size := w.log.Stats(w.now).Bytes; size != before+1 {
		t.Errorf("read twice it has %d bytes, once %d", size, before+1)
	}
	for w.log.Expire(space, w.now.Add(time.Hour), ^uint64(0), 1) {
	}
	if s := w.log.Stats(w.now); s.Bytes != 0 || s.Events != 0 {
		t.Errorf("when all has gone: %+v", s)
	}
}
