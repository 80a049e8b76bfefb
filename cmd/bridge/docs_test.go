package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"chatbridge/internal/markdown"
)

// TestCommandsInTheDocuments: each command line of this program that the documents show,
// in a block or in running text, is one that it understands: command, flags, number of
// arguments.
func TestCommandsInTheDocuments(t *testing.T) {
	const root = "../.."
	pages, err := markdown.Pages(root)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, page := range pages {
		text, err := os.ReadFile(filepath.Join(root, page))
		if err != nil {
			t.Fatal(err)
		}
		d := markdown.Parse(string(text))
		for _, span := range d.Spans {
			if page == "CHANGELOG.md" { // it tells of what was, too
				break
			}
			found += understood(t, place{page, span.Line, true}, span.Text)
		}
		for _, b := range d.Blocks {
			if slices.Contains([]string{"", "sh", "console"}, b.Language) {
				for _, command := range markdown.Commands(b.Text) {
					found += understood(t, place{page, b.Line, false}, command)
				}
			}
		}
	}
	if found < 80 {
		t.Errorf("found only %d commands: the search is broken", found)
	}
}

// A place in the documents. In running text a command may be named without its
// arguments.
type place struct {
	page  string
	line  int
	prose bool
}

// assignment is a variable before a command, placeholder an argument that is none.
var (
	assignment  = regexp.MustCompile(`^[A-Z_]+=`)
	placeholder = regexp.MustCompile(`^[A-Z]+$`)
)

// understood checks a command, if it is one of this program or has one in it, and
// returns how many those were.
func understood(t *testing.T, at place, command string) (n int) {
	t.Helper()
	words, substituted := markdown.Words(command)
	for _, s := range substituted {
		n += understood(t, at, s)
	}
	// Behind a pipe, or a service's name.
	for i, word := range words {
		if word == "|" {
			return n + understood(t, at, strings.Join(words[i+1:], " "))
		}
		if i > 0 && word == "/bridge" {
			words = words[i:]
			break
		}
	}
	for len(words) > 0 && (assignment.MatchString(words[0]) || words[0] == "sudo" || words[0] == "$") {
		words = words[1:]
	}
	if len(words) < 2 || !slices.Contains([]string{"bridge", "bin/bridge", "/bridge"}, words[0]) {
		return n
	}
	words = words[1:]
	if i := slices.IndexFunc(words, func(w string) bool { return w == ">" || w == "<" || w == "|" }); i >= 0 {
		words = words[:i]
	}
	open := at.prose && slices.ContainsFunc(words, placeholder.MatchString)
	for i, word := range words {
		if strings.Contains(word, "…") || word == "..." { // something is left out
			words, open = words[:i], true
			break
		}
	}
	err := parse(words, open, at.prose)
	if err != nil && !(at.prose && strings.HasPrefix(err.Error(), "flag needs an argument: "+words[len(words)-1])) {
		t.Errorf("%s:%d: %s: %v", at.page, at.line, command, err)
	}
	return n + 1
}

// parse reports what the program does not understand of its arguments; open says that
// there are others in truth, named that a command without arguments is but named.
func parse(args []string, open, named bool) error {
	root := newRoot(streams{})
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	cmd, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	if err := cmd.ParseFlags(rest); err != nil {
		return flagError(cmd, err)
	}
	left := cmd.Flags().Args()
	named = named && (len(left) == 0 || len(left) == 1 && slices.ContainsFunc(cmd.ValidArgs, func(s string) bool {
		name, _, _ := strings.Cut(s, "\t")
		return name == left[0]
	}))
	if cmd != root && (open || named) {
		return nil
	}
	return cmd.ValidateArgs(left)
}

// TestParse: what the documents are held to does notice.
func TestParse(t *testing.T) {
	for args, ok := range map[string]bool{
		"check": true, "check --offline": true, "spool drop 17": true, "gateway auto": true, "help serve": true,
		"chek": false, "check --ofline": false, "check now": false, "spool drop": false, "gateway hold": false, "setup --role": false,
	} {
		if err := parse(strings.Fields(args), false, false); (err == nil) != ok {
			t.Errorf("%s: %v", args, err)
		}
	}
}
