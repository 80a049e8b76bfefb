package console

import (
	"bytes"
	"fmt"
	"html"
	"io/fs"
	"maps"
	"net/http"
	slashpath "path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
)

// book renders the documents when they are asked for. Their text is the program's own.
type book struct {
	docs     fs.FS
	texts    map[string]string // Options.Texts
	markdown goldmark.Markdown
	// findings are the anchors under which the runbook has each finding of the check.
	findings func() map[string]string

	mu       sync.Mutex
	rendered map[string][]byte
}

func newBook(docs fs.FS, texts map[string]string) *book {
	b := &book{docs: docs, texts: texts, rendered: make(map[string][]byte), markdown: goldmark.New(
		goldmark.WithExtensions(extension.Table), goldmark.WithParserOptions(parser.WithAutoHeadingID()))}
	b.findings = sync.OnceValue(b.findFindings)
	return b
}

// serve serves a document as a page.
func (b *book) serve(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimSuffix(r.PathValue("name"), ".md")
	page, err := b.page(name)
	if err != nil {
		http.Error(w, "there is no document of that name; /docs/ lists them", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(page) // the client has left
}

// serveIndex lists the documents.
func (b *book) serveIndex(w http.ResponseWriter, _ *http.Request) {
	var body strings.Builder
	body.WriteString("<h1>Documents</h1>\n<ul>\n")
	for _, name := range b.names() {
		source, err := fs.ReadFile(b.docs, name+".md")
		if err != nil {
			continue
		}
		fmt.Fprintf(&body, "<li><a href=\"%s\">%s</a></li>\n", html.EscapeString(name), html.EscapeString(titleOf(source, name)))
	}
	for _, file := range slices.Sorted(maps.Keys(b.texts)) {
		name := html.EscapeString(slashpath.Base(file))
		fmt.Fprintf(&body, "<li><a href=\"%s\">%s</a></li>\n", name, name)
	}
	body.WriteString("</ul>\n")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(wrap("Documents", body.String())) // the client has left
}

func (b *book) names() (names []string) {
	all, _ := fs.Glob(b.docs, "*.md") // the pattern is valid
	for _, name := range all {
		names = append(names, strings.TrimSuffix(name, ".md"))
	}
	slices.Sort(names)
	return names
}

// page returns a document's page, rendered once.
func (b *book) page(name string) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if page, ok := b.rendered[name]; ok {
		return page, nil
	}
	for file, text := range b.texts {
		if slashpath.Base(file) == name {
			return wrap(name, "<h1>"+html.EscapeString(name)+"</h1>\n<pre>"+html.EscapeString(text)+"</pre>\n"), nil
		}
	}
	if !fs.ValidPath(name) || strings.Contains(name, "/") {
		return nil, fs.ErrNotExist
	}
	source, err := fs.ReadFile(b.docs, name+".md")
	if err != nil {
		return nil, err
	}
	tree := b.markdown.Parser().Parse(text.NewReader(source))
	if err := b.link(tree); err != nil {
		return nil, err
	}
	var body bytes.Buffer
	if err := b.markdown.Renderer().Render(&body, source, tree); err != nil {
		return nil, fmt.Errorf("render %s: %w", name, err)
	}
	page := wrap(titleOf(source, name), body.String())
	b.rendered[name] = page
	return page, nil
}

// link points links to other documents at their pages here, and takes away those to files
// that are not embedded.
func (b *book) link(tree ast.Node) error {
	var links []*ast.Link
	err := ast.Walk(tree, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if l, ok := n.(*ast.Link); ok && entering {
			links = append(links, l)
		}
		return ast.WalkContinue, nil
	})
	names := b.names()
	for _, l := range links {
		to := string(l.Destination)
		file, anchor, _ := strings.Cut(to, "#")
		name, isDoc := strings.CutSuffix(file, ".md")
		switch {
		case file == "" || strings.HasPrefix(to, "https://"):
		case isDoc && slices.Contains(names, name):
			l.Destination = []byte(name)
			if anchor != "" {
				l.Destination = []byte(name + "#" + anchor)
			}
		case b.texts[file] != "":
			l.Destination = []byte(slashpath.Base(file))
		default:
			parent := l.Parent()
			for c := l.FirstChild(); c != nil; c = l.FirstChild() {
				parent.InsertBefore(parent, l, c)
			}
			parent.RemoveChild(parent, l)
		}
	}
	return err
}

// titleOf is a document's first heading.
func titleOf(source []byte, name string) string {
	for line := range strings.Lines(string(source)) {
		if title, ok := strings.CutPrefix(line, "# "); ok {
			return strings.TrimSpace(strings.ReplaceAll(title, "`", ""))
		}
	}
	return name
}

func wrap(title, body string) []byte {
	return []byte("<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n" +
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" + html.EscapeString(title) + " · chatbridge</title>\n" +
		"<link rel=\"stylesheet\" href=\"../console/style.css\">\n<link rel=\"icon\" href=\"data:,\">\n" +
		"<body class=\"document\">\n<nav><a href=\"../\">chatbridge</a> · <a href=\"./\">Documents</a></nav>\n<main>\n" + body + "</main>\n</html>\n")
}

var (
	findingRow  = regexp.MustCompile("^\\| ((?:`[^`]+`(?:, )?)+) \\|")
	findingName = regexp.MustCompile("`([^`]+)`")
)

// finding returns the anchor under which the runbook has a finding, "" for none.
func (b *book) finding(id string) string { return b.findings()[id] }

// findFindings reads the runbook's tables of findings.
func (b *book) findFindings() map[string]string {
	found := map[string]string{}
	source, err := fs.ReadFile(b.docs, "runbook.md")
	if err != nil {
		return found
	}
	heading := ""
	for line := range strings.Lines(string(source)) {
		if h, ok := strings.CutPrefix(line, "## "); ok {
			heading = anchorOf(strings.TrimSpace(h))
		}
		if row := findingRow.FindStringSubmatch(line); row != nil && heading != "" {
			for _, name := range findingName.FindAllStringSubmatch(row[1], -1) {
				if found[name[1]] == "" {
					found[name[1]] = heading
				}
			}
		}
	}
	return found
}

// anchorOf is the anchor of a heading, as the parser makes it of plain ones.
func anchorOf(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ' || r == '-':
			return '-'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return -1
	}, heading)
}
