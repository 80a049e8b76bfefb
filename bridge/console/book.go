package console

import (
	"bytes"
	"cmp"
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
	texts    map[string]string // Options.Texts, by their paths from above docs/
	served   map[string]string // the paths of texts, by the names that they have here
	markdown goldmark.Markdown
	// findings are the anchors under which the runbook has each finding of the check.
	findings func() map[string]string

	mu       sync.Mutex
	rendered map[string][]byte
}

// docsDir is where the documents are for what links to them from elsewhere.
const docsDir = "docs"

func newBook(docs fs.FS, texts map[string]string) *book {
	b := &book{docs: docs, texts: make(map[string]string), served: make(map[string]string), rendered: make(map[string][]byte), markdown: goldmark.New(
		goldmark.WithExtensions(extension.Table), goldmark.WithParserOptions(parser.WithAutoHeadingID()))}
	b.findings = sync.OnceValue(b.findFindings)
	taken := make(map[string]bool)
	for _, name := range b.names() {
		taken[name] = true
	}
	for file, text := range texts {
		b.texts[slashpath.Join(docsDir, file)] = text
	}
	// Of those of one name, the one that is least deep has it.
	byDepth := func(x, y string) int {
		return cmp.Or(cmp.Compare(strings.Count(x, "/"), strings.Count(y, "/")), cmp.Compare(x, y))
	}
	for _, file := range slices.SortedFunc(maps.Keys(b.texts), byDepth) {
		name := strings.TrimSuffix(slashpath.Base(file), ".md")
		if taken[name] {
			name = strings.ReplaceAll("chatbridge/"+strings.TrimSuffix(file, ".md"), "/", "-")
		}
		taken[name] = true
		b.served[name] = file
	}
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
	for _, name := range slices.Sorted(maps.Keys(b.served)) {
		name, file := html.EscapeString(name), html.EscapeString(b.served[name])
		fmt.Fprintf(&body, "<li><a href=\"%s\">%s</a></li>\n", name, file)
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
	file, isText := b.served[name]
	if isText && !strings.HasSuffix(file, ".md") {
		return wrap(name, "<h1>"+html.EscapeString(name)+"</h1>\n<pre>"+html.EscapeString(b.texts[file])+"</pre>\n"), nil
	}
	if !fs.ValidPath(name) || strings.Contains(name, "/") {
		return nil, fs.ErrNotExist
	}
	source, dir := []byte(b.texts[file]), slashpath.Dir(file)
	if !isText {
		var err error
		if source, err = fs.ReadFile(b.docs, name+".md"); err != nil {
			return nil, err
		}
		dir = docsDir
	}
	tree := b.markdown.Parser().Parse(text.NewReader(source))
	if err := b.link(tree, dir); err != nil {
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

// link points links of a document in dir to others at their pages here, and takes away those
// to files that are not embedded.
func (b *book) link(tree ast.Node, dir string) error {
	var links []*ast.Link
	err := ast.Walk(tree, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if l, ok := n.(*ast.Link); ok && entering {
			links = append(links, l)
		}
		return ast.WalkContinue, nil
	})
	here := b.pages()
	for _, l := range links {
		to := string(l.Destination)
		file, anchor, _ := strings.Cut(to, "#")
		name := here[slashpath.Join(dir, file)]
		switch {
		case file == "" || strings.HasPrefix(to, "https://"):
		case name != "":
			l.Destination = []byte(name)
			if anchor != "" {
				l.Destination = []byte(name + "#" + anchor)
			}
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

// pages are the names of all pages, by the paths of the files.
func (b *book) pages() map[string]string {
	pages := make(map[string]string)
	for _, name := range b.names() {
		pages[slashpath.Join(docsDir, name+".md")] = name
	}
	for name, file := range b.served {
		pages[file] = name
	}
	return pages
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
