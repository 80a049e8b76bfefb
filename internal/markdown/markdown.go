// Package markdown finds in the project's documents what tests hold them to: fenced
// blocks, code spans, links and the anchors that links may lead to. It knows the
// Markdown that is used there and no more. It is for tests.
package markdown

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"
)

// A Document is a file of Markdown, taken apart.
type Document struct {
	Blocks []Block
	Spans  []Span
	Links  []Link
	// Anchors are the names by which a link may lead to a heading, as GitHub makes them.
	Anchors map[string]bool
}

// A Block is a fenced block of code.
type Block struct {
	// Line is the fence's, from 1.
	Line int
	// Language is the fence's first word, empty without one.
	Language string
	// Text is what is between the fences, without their indentation.
	Text string
}

// First is the block's first line, by which it is told from others.
func (b Block) First() string {
	first, _, _ := strings.Cut(b.Text, "\n")
	return first
}

// A Span is code in running text.
type Span struct {
	Line int
	Text string
}

// A Link leads to a file or to an anchor.
type Link struct {
	Line int
	// Path and Anchor are the parts before and behind "#"; either may be empty.
	Path, Anchor string
}

var (
	heading = regexp.MustCompile(`^#{1,6} +(.*?) *#*$`)
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	// One that is broken in two by the line's end counts too.
	span = regexp.MustCompile("`([^`]+)`")
)

// Parse takes a document apart.
func Parse(text string) *Document {
	d := &Document{Anchors: map[string]bool{}}
	prose := &strings.Builder{} // with empty lines for blocks, so that lines are counted
	var block *Block
	indent := ""
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimLeft(line, " ")
		fence := strings.HasPrefix(trimmed, "```")
		switch {
		case fence && block == nil:
			indent = line[:len(line)-len(trimmed)]
			language, _, _ := strings.Cut(strings.TrimLeft(trimmed, "`"), " ")
			block = &Block{Line: i + 1, Language: language}
		case fence:
			d.Blocks = append(d.Blocks, *block)
			block = nil
		case block != nil:
			block.Text += strings.TrimPrefix(line, indent) + "\n"
		default:
			if m := heading.FindStringSubmatch(line); m != nil {
				d.anchor(m[1])
			}
			prose.WriteString(line)
		}
		prose.WriteByte('\n')
	}
	running := prose.String()
	at := func(offset int) int { return 1 + strings.Count(running[:offset], "\n") }
	for _, m := range span.FindAllStringSubmatchIndex(running, -1) {
		d.Spans = append(d.Spans, Span{at(m[0]), strings.Join(strings.Fields(running[m[2]:m[3]]), " ")})
	}
	for _, m := range link.FindAllStringSubmatchIndex(running, -1) {
		path, anchor, _ := strings.Cut(running[m[2]:m[3]], "#")
		d.Links = append(d.Links, Link{at(m[0]), path, anchor})
	}
	return d
}

// anchor adds a heading's: small letters, digits, "_" and "-" are kept, a space becomes
// "-". The second heading of a name has "-1".
func (d *Document) anchor(title string) {
	title = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(title, "$1")
	name := strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, title)
	for n, first := 1, name; d.Anchors[name]; n++ {
		name = first + "-" + string(rune('0'+n))
	}
	d.Anchors[name] = true
}

// Commands splits a block of shell into its commands: comments and empty lines are
// left out, continued lines joined, what is behind " #" is cut.
func Commands(text string) []string {
	var commands []string
	text = strings.ReplaceAll(text, "\\\n", " ")
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, " #")
		line = strings.Join(strings.Fields(line), " ")
		if line != "" && line[0] != '#' {
			commands = append(commands, line)
		}
	}
	return commands
}

// Words splits a command as a shell does, for what the documents have: quotes are taken
// off, a substitution $(…) is one word. The commands in substitutions are returned too.
func Words(command string) (words, substituted []string) {
	var word strings.Builder
	started := false
	var quote byte
	for i := 0; i < len(command); i++ {
		c := command[i]
		switch {
		case strings.HasPrefix(command[i:], "$(") && quote != '\'':
			inner, _, _ := strings.Cut(command[i+2:], ")")
			substituted = append(substituted, inner)
			word.WriteString("$(" + inner + ")")
			i, started = i+2+len(inner), true
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, started = c, true
		case quote == 0 && c == ' ':
			if started {
				words = append(words, word.String())
			}
			word.Reset()
			started = false
		default:
			word.WriteByte(c)
			started = true
		}
	}
	if started {
		words = append(words, word.String())
	}
	return words, substituted
}

// Pages returns the paths of the project's documents below its root, in order: those in
// the root and all in docs.
func Pages(root string) ([]string, error) {
	pages, err := filepath.Glob(filepath.Join(root, "*.md"))
	if err != nil {
		return nil, err
	}
	err = filepath.WalkDir(filepath.Join(root, "docs"), func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".md" {
			pages = append(pages, path)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for i, page := range pages {
		if pages[i], err = filepath.Rel(root, page); err != nil {
			return nil, err
		}
	}
	return pages, nil
}
