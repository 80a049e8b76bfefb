package handover

import (
	"slices"
	"testing"
	"time"

	"chatbridge/bridge/gateway/frame"
)

// TestUnsent: which of ChatEngine's buffered events are still to be sent.
func TestUnsent(t *testing.T) {
	status := func(s string) string { return `42["messageStatus",{"messageId":"m","status":"` + s + `"}]` }
	conversation := func(last string) string { return `42["conversation",{"id":"c","lastMessage":{"id":"` + last + `"}}]` }
	now := time.Now()
	// unsent returns which of the packets, older and younger than the time
	// covered, are not among those sent.
	unsent := func(sent, old, young []string) (out []string) {
		states := new(sentStates)
		for _, p := range sent {
			states.add([]byte(p))
		}
		var events []buffered
		for i, p := range slices.Concat(old, young) {
			age := 5 * time.Second
			if i >= len(old) {
				age = time.Second
			}
			events = append(events, newBuffered(frame.Frame{Payload: []byte(p)}, now.Add(-age)))
		}
		for _, e := range states.unsent(events, now.Add(-2*time.Second)) {
			out = append(out, string(e.Payload))
		}
		return out
	}
	for name, c := range map[string]struct{ sent, old, young, want []string }{
		"nothing sent": {young: []string{status("delivered"), status("read")}, want: []string{status("delivered"), status("read")}},
		"all sent":     {sent: []string{status("delivered"), status("read")}, young: []string{status("delivered"), status("read")}},
		"only the newest sent": {
			sent: []string{status("read")}, young: []string{status("delivered"), status("read")},
		},
		"sent up to the middle": {
			sent: []string{status("sent"), status("delivered")}, young: []string{status("sent"), status("delivered"), status("read")},
			want: []string{status("read")},
		},
		"an old one, and the bridge has a newer one": {sent: []string{status("read")}, old: []string{status("delivered")}},
		"an old one of which the bridge has sent nothing": {
			sent: []string{conversation("1")}, old: []string{status("delivered")}, want: []string{status("delivered")},
		},
		"conversations": {
			sent: []string{conversation("2")}, young: []string{conversation("1"), conversation("2"), conversation("3")},
			want: []string{conversation("3")},
		},
		"messages": {
			sent:  []string{`42["message",{"id":"2"},"offset"]`},
			young: []string{`42["message",{"id":"1"}]`, `42["message",{"id":"2"}]`, `42["message",{"id":"3"}]`},
			want:  []string{`42["message",{"id":"1"}]`, `42["message",{"id":"3"}]`},
		},
		"messages under another of their names": {
			sent: []string{`42["message",{"id":"row","metadata":{"a":{}}}]`, `42["message",{"id":"row","metadata":{"a":{},"providerMessageId":"P","clientMessageId":"opt_1"}},"offset"]`},
			young: []string{
				`42["message",{"id":"opt_1","metadata":{"clientMessageId":"opt_1"}}]`, `42["message",{"id":"P","metadata":{"providerMessageId":"P"}}]`,
				`42["message",{"id":"?","metadata":{"clientMessageId":"opt_1"}}]`, `42["message",{"id":"P","metadata":7}]`,
				`42["message",{"id":"row"}]`, `42["message",{"id":"Q","metadata":{"providerMessageId":"Q"}}]`,
			},
			want: []string{`42["message",{"id":"Q","metadata":{"providerMessageId":"Q"}}]`},
		},
		"conversations with a last message under another name": {
			sent:  []string{`42["message",{"id":"row","metadata":{"providerMessageId":"P"}}]`, conversation("row")},
			young: []string{conversation("O"), conversation("P"), conversation("Q")},
			want:  []string{conversation("Q")},
		},
		"statuses come under each name": {
			sent:  []string{`42["message",{"id":"row","metadata":{"providerMessageId":"m"}}]`, `42["messageStatus",{"messageId":"row","status":"read"}]`},
			young: []string{status("read")},
			want:  []string{status("read")},
		},
		"what cannot be identified": {
			sent: []string{`42["message",{}]`}, young: []string{`42["message",{}]`}, want: []string{`42["message",{}]`},
		},
	} {
		if got := unsent(c.sent, c.old, c.young); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q are unsent, want %q", name, got, c.want)
		}
	}
	for _, p := range []string{``, `42`, `42[`, `42["message"]`, `42["message",7]`, `42["typing",{"id":"x"}]`, `2`} {
		if got := unsent([]string{p}, nil, []string{p}); len(got) != 1 {
			t.Errorf("%s is taken for something sent", p)
		}
	}
}
