package console

import (
	"os"
	"regexp"
	"testing"
	"time"

	"chatbridge/bridge/api"
	"chatbridge/bridge/gateway/spool"
	"chatbridge/bridge/hub"
	"chatbridge/socketio/engineio"
)

// namesIn finds names in the sources of another package, which counts by them.
func namesIn(t *testing.T, file, pattern string, least int) (names []string) {
	t.Helper()
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(source), -1) {
		names = append(names, m[1])
	}
	if len(names) < least {
		t.Fatalf("%s has only %q", file, names)
	}
	return names
}

// TestEveryReasonHasItsMeaning: whatever can be counted as refused is explained, and its
// link leads to an entry of the runbook.
func TestEveryReasonHasItsMeaning(t *testing.T) {
	t.Parallel()
	all := map[cause]bool{{"request", api.RequestRate}: true, {"token", "unavailable"}: true, {"admin", "wrong_token"}: true, {"token", "workspace_full"}: true}
	add := func(of string, reasons ...string) {
		for _, r := range reasons {
			all[cause{of, r}] = true
		}
	}
	for r := range engineio.NumReasons {
		switch {
		case r >= engineio.UnknownTransport || r == engineio.PayloadTooBig:
			add("request", r.String())
		case !ordinary[r]:
			add("connection", r.String())
		}
	}
	add("connection", engineio.PayloadTooBig.String(), engineio.MaxUnauthenticated.String())
	add("token", namesIn(t, "../auth/refusal.go", `Code\w+ += "(\w+)"`, 14)...)
	add("event", namesIn(t, "../send/request.go", `Code\w+ += "(\w+)"`, 9)...)
	for _, file := range []string{"expiry", "requests", "typing"} {
		add("event", namesIn(t, "../api/"+file+".go", `&fault\{"(\w+)"`, 2)...)
	}
	add("gateway", namesIn(t, "../gateway/refuse.go", `refuse\w+: +\{(?:name: )?"(\w+)"`, 14)...)
	add("webhook", spool.Reasons()...)
	_, gaps := new(hub.Stats).ByReason()
	for reason := range gaps {
		add("gap", reason)
	}
	names := namesIn(t, "../../mapping/engine/counters.go", `failNames = \[failCount\]string\{(.*)\}`, 1)
	for _, m := range regexp.MustCompile(`"(\w+)"`).FindAllStringSubmatch(names[0], -1) {
		add("row", m[1])
	}
	runbook := runbookAnchors(t)
	if word := meaningOf(cause{unknownWord, "message.status"}); !runbook[word.runbook] {
		t.Errorf("unknown words: the runbook has no #%s", word.runbook)
	}
	for c := range all {
		if _, ok := meanings[c]; !ok {
			t.Errorf("%s %s has no meaning", c.of, c.reason)
		}
	}
	for c, m := range meanings {
		if !all[c] {
			t.Errorf("%s %s is explained, and cannot be counted", c.of, c.reason)
		}
		if m.runbook != "" && !runbook[m.runbook] {
			t.Errorf("%s %s: the runbook has no #%s", c.of, c.reason, m.runbook)
		}
	}
}

// TestWhoIsToldOfAGapIsNotRefused: the chart counts what was turned away.
func TestWhoIsToldOfAGapIsNotRefused(t *testing.T) {
	t.Parallel()
	s := flowing(time.Now())
	s.API.TokensRefused = map[string]uint64{"token_expired": 2}
	s.Hub.Gaps[0] = 5
	s.Pipeline.Mapping.UnknownWords = map[string]uint64{"message.status": 3}
	if n := refused(&s); n != 2 || total(countRefusals(&s)) != 10 {
		t.Errorf("%d of %v were refused", n, countRefusals(&s))
	}
}

// TestWrongAdminTokensAreShown in the list of refusals, and with what happened.
func TestWrongAdminTokensAreShown(t *testing.T) {
	t.Parallel()
	before, now := flowing(time.Now()), flowing(time.Now())
	now.AdminTokensRefused, now.AdminTokenBursts = 7, 1
	if got := countRefusals(&now)[cause{"admin", "wrong_token"}]; got != 7 {
		t.Errorf("%d of 7 are in the list", got)
	}
	if e := after(before, now, now).find("Wrong values of admin.token are shown"); e == nil || e.Count != 1 || e.Runbook == "" {
		t.Errorf("%+v", e)
	}
}
