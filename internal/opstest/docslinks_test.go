package opstest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatbridge/internal/markdown"
)

// documents are the project's, by their paths from its root.
func documents(t *testing.T) map[string]*markdown.Document {
	t.Helper()
	pages, err := markdown.Pages(root())
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*markdown.Document{}
	for _, page := range pages {
		all[page] = markdown.Parse(read(t, page))
	}
	if len(all) < 20 {
		t.Fatalf("found only %d documents", len(all))
	}
	return all
}

// TestLinksLead: each link of a document leads to a file of the project, and its anchor
// to a heading there; and each document is reached from the index.
func TestLinksLead(t *testing.T) {
	const index = "docs/README.md"
	all := documents(t)
	leads := map[string][]string{}
	for page, d := range all {
		for _, l := range d.Links {
			if strings.Contains(l.Path, ":") { // another site
				continue
			}
			to := page
			if l.Path != "" {
				to = filepath.Join(filepath.Dir(page), l.Path)
			}
			if _, err := os.Stat(root(to)); err != nil {
				t.Errorf("%s:%d leads to %s: %v", page, l.Line, l.Path, err)
				continue
			}
			// A directory's page is its README.
			if inside := filepath.Join(to, "README.md"); all[to] == nil && all[inside] != nil {
				to = inside
			}
			if l.Anchor != "" && (all[to] == nil || !all[to].Anchors[l.Anchor]) {
				t.Errorf("%s:%d leads to %s, which has no #%s", page, l.Line, to, l.Anchor)
			}
			leads[page] = append(leads[page], to)
		}
	}
	reached := map[string]bool{}
	for next := []string{index}; len(next) > 0; next = next[1:] {
		if page := next[0]; !reached[page] {
			reached[page] = true
			next = append(next, leads[page]...)
		}
	}
	for page := range all {
		if !reached[page] {
			t.Errorf("%s is not reached from %s", page, index)
		}
	}
}
