package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestSpoolUsage: wrong usage is 2 and says what is right; what cannot be done is 1.
func TestSpoolUsage(t *testing.T) {
	clean(t)
	t.Setenv("BRIDGE_ADMIN_LISTEN", "127.0.0.1:1")
	for args, want := range map[string]struct {
		code int
		text string
	}{
		"spool":                         {2, "say one of list, show, drop, replay"},
		"spool lst":                     {2, "say one of"},
		"spool list 1":                  {2, "show does"},
		"spool show":                    {2, "one webhook"},
		"spool show 1 2":                {2, "one webhook"},
		"spool show x":                  {2, "no number"},
		"spool show 0":                  {2, "no number"},
		"spool drop":                    {2, "--dead or --all"},
		"spool drop 1 --all":            {2, "either numbers"},
		"spool replay --all":            {2, "--all is for drop"},
		"spool list --body":             {2, "--body is for show"},
		"spool list --limit=0":          {2, "--limit"},
		"spool list --dad":              {2, "did you mean --dead?"},
		"spool list":                    {1, "spool.dir"},
		"spool list --spool.dir=/no/db": {1, `no daemon answers at admin.listen ("127.0.0.1:1", environment BRIDGE_ADMIN_LISTEN), and spool.dir ("/no/db", flag --spool.dir) has no webhooks.db: either`},
		"spool list --admin.listen= --spool.dir=/no/db": {1, "admin.listen is empty, so that no daemon was asked, and spool.dir"},
		"spool --help": {0, ""},
	} {
		code, _, errs := cli(t, "", strings.Fields(args)...)
		if code != want.code || !strings.Contains(errs, want.text) {
			t.Errorf("bridge %s: %d, want %d with %q: %s", args, code, want.code, want.text, errs)
		}
	}
	code, out, _ := cli(t, "", "__complete", "spool", "")
	if code != 0 || !strings.Contains(out, "replay") {
		t.Errorf("completion: %d %s", code, out)
	}
}

// TestSpoolPrintsWhatIsNotTrusted without its control characters.
func TestSpoolPrintsWhatIsNotTrusted(t *testing.T) {
	clean(t)
	admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer the-operators-token" {
			http.Error(w, "admin.token is asked for", http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(`{"entries":[{"id":7,"dead":true,"kept":"2026-01-01T00:00:00Z","size":2048,"path":"/p\u001b[31m","from":"1.2.3.4","sender":"a\nb","attempts":3,"error":"answered 400","header":["X: \u001b[2J"]}],"more":5}`))
	}))
	defer admin.Close()
	t.Setenv("BRIDGE_ADMIN_LISTEN", strings.TrimPrefix(admin.URL, "http://"))
	if code, _, errs := cli(t, "", "spool", "list"); code != exitFailed || !strings.Contains(errs, "admin.token is asked for") || !strings.Contains(errs, "configuration has no admin.token") {
		t.Errorf("without the token: %d %s", code, errs)
	}
	t.Setenv("BRIDGE_ADMIN_TOKEN", "the-token-before-that")
	if code, _, errs := cli(t, "", "spool", "list"); code != exitFailed || !strings.Contains(errs, "shown is wrong") || !strings.Contains(errs, "environment BRIDGE_ADMIN_TOKEN") || strings.Contains(errs, "before-that") {
		t.Errorf("with a wrong token: %d %s", code, errs)
	}
	t.Setenv("BRIDGE_ADMIN_TOKEN", "the-operators-token")
	for _, what := range []string{"list", "show 7"} {
		code, out, errs := cli(t, "", append([]string{"spool"}, strings.Fields(what)...)...)
		if code != 0 || strings.ContainsAny(out, "\x1b") || strings.Contains(out, "a\nb") || !strings.Contains(out, "answered 400") || !strings.Contains(out, "dead") {
			t.Errorf("%s: %d %q %s", what, code, out, errs)
		}
		if what == "list" && !strings.Contains(errs, "5 more") {
			t.Errorf("%s", errs)
		}
	}
}
