package event_test

import (
	"encoding/json"
	"testing"

	"chatbridge/bench/internal/event"
)

func TestPacket(t *testing.T) {
	packet := event.AppendPacket(nil, 42, 1<<60+7)
	if len(packet) != event.Size {
		t.Errorf("packet has %d bytes, want %d", len(packet), event.Size)
	}
	var array []json.RawMessage
	if err := json.Unmarshal(packet[2:], &array); err != nil || len(array) != 2 {
		t.Fatalf("packet is no event: %v\n%s", err, packet)
	}
	seq, due, ok := event.Parse(packet)
	if !ok || seq != 42 || due != 1<<60+7 {
		t.Errorf("Parse = %d, %d, %v", seq, due, ok)
	}
	for n := range packet[:event.DueAt+event.Digits] {
		if _, _, ok := event.Parse(packet[:n]); ok {
			t.Errorf("Parse accepts the first %d bytes alone", n)
		}
	}
}
