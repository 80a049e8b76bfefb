package main

import (
	"encoding/json"
	"encoding/pem"
	"net"
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

// TestCompletionForWhatIsNot: a shell that is not known is wrong usage, and those that are
// known are named.
func TestCompletionForWhatIsNot(t *testing.T) {
	const known = "say one of bash, fish, powershell, zsh"
	for args, want := range map[string]string{
		"completion tcsh":      known,
		"completion":           known,
		"completion ba":        "did you mean bash?",
		"help completion tcsh": known,
		"completion bash x":    `unexpected argument "x"`,
	} {
		if code, out, errs := cli(t, "", strings.Fields(args)...); code != exitUsage || out != "" || !strings.Contains(errs, want) {
			t.Errorf("bridge %s: %d: %s%s", args, code, out, errs)
		}
	}
	for _, args := range []string{"completion bash", "completion zsh", "completion fish", "completion powershell", "completion --help", "help completion zsh"} {
		if code, out, errs := cli(t, "", strings.Fields(args)...); code != 0 || out == "" {
			t.Errorf("bridge %s: %d: %s", args, code, errs)
		}
	}
}

// TestDemoIsRefusedAtOnce: an address that cannot be had is refused before anything is
// started, and its flag is named.
func TestDemoIsRefusedAtOnce(t *testing.T) {
	clean(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	taken := ln.Addr().String()
	for address, want := range map[string]struct {
		code int
		text string
	}{
		"abc":          {exitUsage, `listen = "abc" (flag --listen): is not host:port`},
		taken:          {exitFailed, `--listen = "` + taken + `": bind: address already in use: another process has this port: end it, or set --listen`},
		"192.0.2.1:80": {exitUsage, `set --listen to an address of this machine`},
	} {
		for _, more := range []string{"0", "2"} {
			code, out, errs := cli(t, "", "demo", "--listen", address, "--for", "1ns", "--nodes", more)
			if code != want.code || !strings.Contains(errs, want.text) || out != "" {
				t.Errorf("--listen %s --nodes %s: %d: %s%s", address, more, code, out, errs)
			}
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
