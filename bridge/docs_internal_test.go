package bridge

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	slashpath "path"
	"regexp"
	"strings"
	"testing"

	"chatbridge/bridge/console"
	"chatbridge/docs"
)

var (
	servedLink  = regexp.MustCompile(`<a href="([^"]+)"`)
	servedID    = regexp.MustCompile(` id="([^"]+)"`)
	writtenLink = regexp.MustCompile(`\]\(([^)\s#]+)(#[^)\s]*)?\)`)
)

// TestLinksOfTheServedDocuments walks the pages that the operator's listener serves from their
// index on: each link of a page leads to a page and a heading, and each of a document to a
// file is there.
func TestLinksOfTheServedDocuments(t *testing.T) {
	t.Parallel()
	handler := console.New(console.Options{Docs: docs.Files, Texts: texts()}).Handler(console.May{})
	get := func(name string) (int, string) {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/docs/"+name, nil))
		return w.Code, w.Body.String()
	}
	pages := map[string]string{}
	var walk func(name string)
	walk = func(name string) {
		code, page := get(name)
		if pages[name] = page; code != http.StatusOK {
			t.Errorf("/docs/%s: %d", name, code)
		}
		_, body, _ := strings.Cut(page, "<main>")
		for _, m := range servedLink.FindAllStringSubmatch(body, -1) {
			to, err := url.Parse(m[1])
			if err != nil {
				t.Fatal(err)
			}
			if _, seen := pages[to.Path]; to.Host == "" && to.Path != "" && !seen {
				walk(to.Path)
			}
		}
	}
	walk("")
	for name, page := range pages {
		_, body, _ := strings.Cut(page, "<main>")
		for _, m := range servedLink.FindAllStringSubmatch(body, -1) {
			to, at, _ := strings.Cut(m[1], "#")
			if strings.HasPrefix(to, "https://") || at == "" {
				continue
			}
			if to == "" {
				to = name
			}
			found := false
			for _, id := range servedID.FindAllStringSubmatch(pages[to], -1) {
				found = found || id[1] == at
			}
			if !found {
				t.Errorf("/docs/%s links to %s, which has no such heading", name, m[1])
			}
		}
	}
	// What is written as a link to a file is one.
	for _, document := range []string{"docs", "."} {
		files, err := fs.Glob(os.DirFS(slashpath.Join("..", document)), "*.md")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			source, err := os.ReadFile(slashpath.Join("..", document, file))
			if err != nil {
				t.Fatal(err)
			}
			page := strings.TrimSuffix(file, ".md")
			if document == "." && page == "README" {
				page = "chatbridge-README"
			}
			served := len(servedLink.FindAllString(strings.SplitAfterN(pages[page], "<main>", 2)[1], -1))
			written := 0
			for _, m := range writtenLink.FindAllStringSubmatch(string(source), -1) {
				info, err := os.Stat(slashpath.Join("..", document, m[1]))
				if strings.HasPrefix(m[1], "https://") || err == nil && info.Mode().IsRegular() {
					written++
				}
			}
			written += strings.Count(string(source), "](#")
			if served < written {
				t.Errorf("%s/%s has %d links, its page %d", document, file, written, served)
			}
		}
	}
	if len(pages) < 30 {
		t.Errorf("only %d pages", len(pages))
	}
}
