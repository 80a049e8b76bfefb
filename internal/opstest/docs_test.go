package opstest_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"chatbridge/configs"
)

// TestMetricsAreDocumented: docs/operations.md lists what /metrics shows, no
// more and no less.
func TestMetricsAreDocumented(t *testing.T) {
	text := read(t, "docs", "operations.md")
	typed := regexp.MustCompile(`(?m)^# TYPE (bridge_\w+) `)
	shown := map[string]bool{}
	for _, m := range typed.FindAllStringSubmatch(read(t, "bridge", "ops", "testdata", "metrics.txt"), -1) {
		shown[m[1]] = true
		if !strings.Contains(text, "`"+m[1]+"`") {
			t.Errorf("docs/operations.md does not list %s", m[1])
		}
	}
	for _, m := range regexp.MustCompile("`(bridge_\\w+)`").FindAllStringSubmatch(text, -1) {
		if !shown[strings.TrimSuffix(m[1], "_bucket")] {
			t.Errorf("docs/operations.md lists %s, which is not shown", m[1])
		}
	}
}

var findingID = regexp.MustCompile(`(?:"|ID: +")((?:auth|config|connect|cors|gateway|listen|lookup|machine|mapping|publication|realtime|replay|role|send|server|slot|table|tls)\.[a-z0-9_]+)"`)

// TestFindingsAreInTheRunbook: an entry for each finding of `bridge check`.
func TestFindingsAreInTheRunbook(t *testing.T) {
	keys := map[string]bool{}
	c, err := configs.Load(configs.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range c.Redacted() {
		keys[s.Key] = true
	}
	text := read(t, "docs", "runbook.md")
	found := 0
	for _, dir := range []string{root("bridge", "check"), root("source", "postgres", "provision")} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			source, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, m := range findingID.FindAllStringSubmatch(string(source), -1) {
				// A setting's name is in quotes too.
				if keys[m[1]] || strings.HasSuffix(m[1], ".ok") {
					continue
				}
				found++
				if !strings.Contains(text, "`"+m[1]+"`") {
					t.Errorf("docs/runbook.md has no entry for the finding %s (%s)", m[1], path)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if found < 30 {
		t.Fatalf("found %d findings: the search is broken", found)
	}
}
