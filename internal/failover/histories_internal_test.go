package failover

import (
	"encoding/json"
	"slices"
	"testing"
)

// TestUnansweredSubscriptions: a subscription counts as one that the server has once it
// has answered what the client sent after it, in the same connection.
func TestUnansweredSubscriptions(t *testing.T) {
	var lines [][]json.RawMessage
	if err := json.Unmarshal([]byte(`[
		[1, "connect", false, "", true], [1, "subscribe", "a"], [1, "subscribe", "b"], [2, "disconnect"],
		[3, "connect", true, "", true], [3, "subscribe", "a"], [3, "subscribe", "none"], [3, "subscribe", "c"], [4, "answered"],
		[5, "subscribe", "d"]
	]`), &lines); err != nil {
		t.Fatal(err)
	}
	all, err := entries(lines, false, "none")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range all {
		name := e.Op.String() + " " + e.Conversation
		if e.Unanswered {
			name += "?"
		}
		got = append(got, name)
	}
	want := []string{
		"connect ", "subscribe a?", "subscribe b?", "disconnect ",
		"connect ", "subscribe a", "subscribe c", "subscribe d?",
	}
	if !slices.Equal(got, want) {
		t.Errorf("entries are %q, want %q", got, want)
	}
}
