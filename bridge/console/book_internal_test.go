package console

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"chatbridge/docs"
)

var anchor = regexp.MustCompile(`<h\d id="([^"]+)"`)

func anchorsOf(page []byte) map[string]bool {
	all := map[string]bool{}
	for _, m := range anchor.FindAllStringSubmatch(string(page), -1) {
		all[m[1]] = true
	}
	return all
}

// runbookAnchors are the headings that can be linked to.
func runbookAnchors(t *testing.T) map[string]bool {
	t.Helper()
	page, err := newBook(docs.Files, nil).page("runbook")
	if err != nil {
		t.Fatal(err)
	}
	return anchorsOf(page)
}

// TestDocumentsAreLinked: every link from one embedded document to another leads to a
// heading, and none leads to a file that is not there.
func TestDocumentsAreLinked(t *testing.T) {
	t.Parallel()
	b := newBook(docs.Files, nil)
	pages, links := map[string]string{}, 0
	for _, name := range b.names() {
		page, err := b.page(name)
		if err != nil {
			t.Fatal(err)
		}
		pages[name] = string(page)
	}
	for name, page := range pages {
		_, body, _ := strings.Cut(page, "<main>")
		for _, m := range regexp.MustCompile(`href="([^"]+)"`).FindAllStringSubmatch(body, -1) {
			links++
			to, at, _ := strings.Cut(m[1], "#")
			if strings.HasPrefix(to, "https://") {
				continue
			}
			if to == "" {
				to = name
			}
			target, ok := pages[to]
			if !ok || at != "" && !anchorsOf([]byte(target))[at] {
				t.Errorf("%s links to %s, which is not there", name, m[1])
			}
		}
	}
	if links < 50 {
		t.Errorf("only %d links", links)
	}
}

// TestDocumentsHaveNoHTML of their own: what is written in Markdown is shown as it is.
func TestDocumentsHaveNoHTML(t *testing.T) {
	t.Parallel()
	b := newBook(fstest.MapFS{"evil.md": {Data: []byte("# Title <b>\n\n<script>alert(1)</script>\n\n[x](javascript:alert(1)) <img src=x onerror=alert(1)>\n")}}, nil)
	page, err := b.page("evil")
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(page), "<main>")
	if regexp.MustCompile(`<(script|img|b)\b|javascript:`).MatchString(body) || strings.Contains(string(page), "<title>Title <b>") {
		t.Errorf("%s", page)
	}
	for _, name := range []string{"../console/page/app", "nowhere", "", "."} {
		if page, err := b.page(name); err == nil {
			t.Errorf("%q is served: %s", name, page)
		}
	}
}

// TestEveryFindingOfTheRunbookIsFound by its name.
func TestEveryFindingOfTheRunbookIsFound(t *testing.T) {
	t.Parallel()
	b := newBook(docs.Files, nil)
	for id, want := range map[string]string{
		"slot.lag": "slot", "listen.socket": "configuration", "table.rls": "publication-and-tables", "auth.members": "tokens-project-and-chatengine", "made.up": "",
	} {
		if got := b.finding(id); got != want {
			t.Errorf("%s is at #%s, want #%s", id, got, want)
		}
	}
	runbook := runbookAnchors(t)
	for id, at := range b.findings() {
		if !runbook[at] {
			t.Errorf("%s: the runbook has no #%s", id, at)
		}
	}
}

// TestIndexListsEveryDocument by its title.
func TestIndexListsEveryDocument(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	c := New(Options{Docs: docs.Files})
	c.Handler(May{}).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/docs/", nil))
	all, _ := fs.Glob(docs.Files, "*.md")
	if n := strings.Count(w.Body.String(), "<li>"); n != len(all) || n < 15 || !strings.Contains(w.Body.String(), `<a href="runbook">Runbook</a>`) {
		t.Errorf("%d of %d: %s", n, len(all), w.Body)
	}
	if strings.Contains(w.Body.String(), "`") {
		t.Errorf("titles with Markdown in them: %s", w.Body)
	}
}

// TestTextsAreLinked: a file that is no document is shown as it is, and linked to.
func TestTextsAreLinked(t *testing.T) {
	t.Parallel()
	b := newBook(docs.Files, map[string]string{"../configs/bridge.yaml": "listen: \":8080\" # <b>\n"})
	index, err := b.page("README")
	if err != nil || !strings.Contains(string(index), `<a href="bridge.yaml">`) {
		t.Errorf("%v: %s", err, index)
	}
	if page, err := b.page("bridge.yaml"); err != nil || !strings.Contains(string(page), "<pre>listen: &#34;:8080&#34; # &lt;b&gt;") {
		t.Errorf("%v: %s", err, page)
	}
	if page, err := b.page("install"); err != nil || strings.Contains(string(page), `<a href="bridge.yaml">configs/kubernetes`) {
		t.Errorf("another file of that name is taken for it: %v", err)
	}
}
