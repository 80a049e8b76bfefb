package replay_test

import (
	"testing"

	"chatbridge/bridge/replay"
	"chatbridge/mapping/contract"
	"chatbridge/source"
)

// TestClearForgetsPositions: in another history positions begin lower, and what
// was evicted before it says nothing of them.
func TestClearForgetsPositions(t *testing.T) {
	w := newWriter(replay.Options{Window: 1, MaxEvents: 2, MaxBytes: 1 << 20})
	for range 5 {
		w.add("w", contract.Message, "a", "")
	}
	known := w.log.Space("w")
	w.log.Clear()
	if head := w.log.Head(); !head.IsZero() {
		t.Errorf("the head is still %v", head)
	}
	for _, s := range []*replay.Space{known, w.log.Space("new")} {
		if s.Messages().Above(source.Position{}) || s.States().Above(source.Position{}) {
			t.Errorf("a workspace lacks something of the new history: %+v", s.Messages())
		}
	}
}
