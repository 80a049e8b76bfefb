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

// TestDocumentsNameMetricsThatExist: docs/metrics.md, which is written from the code, has
// all that the others name.
func TestDocumentsNameMetricsThatExist(t *testing.T) {
	listed := read(t, "docs", "metrics.md")
	files, err := filepath.Glob(root("docs", "*.md"))
	if err != nil || len(files) < 10 {
		t.Fatalf("%d documents, %v", len(files), err)
	}
	named := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\b(bridge_[a-z_]+[a-z])\b`).FindAllStringSubmatch(string(text), -1) {
			named++
			if !strings.Contains(listed, "`"+strings.TrimSuffix(m[1], "_bucket")+"`") {
				t.Errorf("%s names %s, which is not shown", file, m[1])
			}
		}
	}
	if named < 100 {
		t.Errorf("%d names of metrics: the search is broken", named)
	}
}

var findingID = regexp.MustCompile(`(?:"|ID: +")((?:auth|cluster|config|connect|cors|gateway|listen|lookup|machine|mapping|otel|publication|realtime|replay|role|send|server|slot|table|tls)\.[a-z0-9_]+)"`)

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
