package main

import (
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestVersions(t *testing.T) {
	_, want, _ := cli(t, "", "version")
	if code, out, errs := cli(t, "", "--version"); code != 0 || out != want {
		t.Errorf("--version: %d: %q%s, want %q", code, out, errs, want)
	}
	code, out, errs := cli(t, "", "version", "--json")
	var v struct{ Version, Commit, Go, Platform string }
	if err := json.Unmarshal([]byte(out), &v); code != 0 || err != nil || v.Version == "" || v.Commit == "" || !strings.HasPrefix(v.Go, "go") || !strings.Contains(v.Platform, "/") {
		t.Errorf("%d: %v: %s%s", code, err, out, errs)
	}
}

// TestHelpForWhatIsNot: help about a command that there is not is wrong usage, as that
// command itself is.
func TestHelpForWhatIsNot(t *testing.T) {
	for _, args := range [][]string{{"help", "serv"}, {"serv"}} {
		if code, _, errs := cli(t, "", args...); code != exitUsage || !strings.Contains(errs, "did you mean serve?") {
			t.Errorf("%v: %d: %s", args, code, errs)
		}
	}
	if code, out, _ := cli(t, "", "help", "serve"); code != 0 || !strings.Contains(out, "bridge serve") {
		t.Errorf("%d: %s", code, out)
	}
}

// TestCompletion: it is offered, and knows the values of what has a few.
func TestCompletion(t *testing.T) {
	if _, out, _ := cli(t, "", "help"); !strings.Contains(out, "\n  completion ") {
		t.Errorf("help does not list it: %s", out)
	}
	for line, want := range map[string]string{
		"serve --mapping.preset ": "crm\nchatengine\nchatwoot\nevolution\n:4\n",
		"check --log.level ":      "debug\ninfo\nwarn\nerror\n:4\n",
		"serve ":                  ":4\n",
		"gateway ":                "status\nhold-local\nhold-upstream\nauto\n:4\n",
		"tail ":                   ":4\n",
	} {
		if _, out, _ := cli(t, "", append([]string{"__complete"}, strings.Split(line, " ")...)...); out != want {
			t.Errorf("%s: %q, want %q", line, out, want)
		}
	}
}

// TestTailTrusts: a server whose certificate no authority has signed is reached with its
// certificate, or without asking for one.
func TestTailTrusts(t *testing.T) {
	server := unstarted(t)
	server.StartTLS()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, trust := range [][]string{{"--cacert", ca}, {"--insecure"}} {
		if code, _, errs := tailUntil(t, "other", append(trust, "--url", server.URL, "--token", "good", "--conversation", "c1")...); code != 0 || !strings.Contains(errs, "connected") {
			t.Errorf("%v: %d: %s", trust, code, errs)
		}
	}
	if code, _, errs := cli(t, "", "tail", "--url", server.URL, "--token", "good", "--attempts", "1"); code != 1 || !strings.Contains(errs, "certificate") {
		t.Errorf("%d: %s", code, errs)
	}
	for _, file := range []string{"/does/not/exist", os.Args[0]} {
		if code, _, errs := cli(t, "", "tail", "--url", server.URL, "--token", "good", "--cacert", file); code != exitUsage || !strings.Contains(errs, "--cacert") {
			t.Errorf("%s: %d: %s", file, code, errs)
		}
	}
}
