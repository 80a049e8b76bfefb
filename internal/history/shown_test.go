package history_test

import (
	"strings"
	"testing"

	"chatbridge/internal/history"
)

// TestShown: what each version of the CRM makes of the names that ChatEngine
// (WhatsApp's id) and the bridge (the row's key) use. A line is one entry:
// `m id provider client status`, `s id status`, `load id provider client status`;
// "-" is none. The message is always the same one, read in the end.
func TestShown(t *testing.T) {
	const live, load, row = "m W W - delivered", "load row W - delivered", "m row W - delivered"
	for _, c := range []struct {
		name             string
		lines            string
		older, byEveryID string // what is found, in order
	}{
		{"ChatEngine alone", live + "\ns W read", "", ""},
		{"the bridge alone", row + "\ns row read\n" + row, "", ""},
		{"a page that was loaded, at ChatEngine", load + "\n" + live + "\ns W read", "Once Current", ""},
		{"a page that was loaded, at the bridge", load + "\n" + row + "\ns row read", "", ""},
		{"from ChatEngine to the bridge, as it names rows", live + "\n" + row + "\ns row read", "Once Current", "Current"},
		{"with the provider's id in messageStatus", live + "\n" + row + "\ns W read\ns row read", "Once", ""},
		{"with the provider's id everywhere", live + "\n" + live + "\ns W read\ns row read", "", ""},
		{"from the bridge to ChatEngine", row + "\ns W read", "Current", ""},
		{"of what the page does not show", "open a\ns W read\n" + live, "", ""},
		{"of what the page shows", "open a\nopen c\ns W read\n" + live, "Current", "Current"},
		{"the client's own, by ChatEngine", "m opt opt opt pending\ns opt sent\ns W read", "Current", "Current"},
		{"the client's own, then the bridge", "m opt - opt pending\nm row W opt sent\ns W read\ns row read", "Once Current", ""},
	} {
		for crm, want := range map[history.CRM]string{history.ByID: c.older, history.ByEveryID: c.byEveryID} {
			h := history.History{Drained: true, Entries: []history.Entry{{Op: history.Connect}}}
			for line := range strings.Lines(c.lines) {
				h.Entries = append(h.Entries, shownEntry(line))
			}
			found := history.NewJudge(&history.Truth{Statuses: map[string]string{"x": "read"}}, bounds()).Shown(&h, crm)
			var names []string
			for _, v := range found {
				if len(names) == 0 || names[len(names)-1] != v.Validator {
					names = append(names, v.Validator)
				}
			}
			if got := strings.Join(names, " "); got != want {
				t.Errorf("%s, %v: %q, want %q\n%s", c.name, crm, got, want, history.Report(found, 5))
			}
		}
	}
}

func shownEntry(line string) history.Entry {
	word := strings.Fields(line)
	for i, w := range word {
		if w == "-" {
			word[i] = ""
		}
	}
	e := history.Entry{Op: history.Receive, Kind: history.Message, Message: "x", Conversation: "c"}
	switch word[0] {
	case "open":
		return history.Entry{Op: history.Subscribe, Conversation: word[1]}
	case "s":
		e.Kind, e.As.ID, e.Status = history.MessageStatus, word[1], word[2]
		return e
	case "load":
		e.Op = history.Load
	}
	e.As = history.As{ID: word[1], Provider: word[2], Client: word[3], Status: word[4]}
	return e
}
