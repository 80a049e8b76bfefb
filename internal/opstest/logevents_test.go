package opstest_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"chatbridge/bridge/logging"
)

// logged are the events that the daemon can log at a level above debug, with
// where; a name that ends in * stands for a state behind it.
func logged(t *testing.T) map[string]string {
	t.Helper()
	events := map[string]string{}
	for _, dir := range []string{"bridge", "cmd", "mapping", "socketio", "source"} {
		err := filepath.WalkDir(root(dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() && (d.Name() == "testdata" || d.Name() == "conformance") {
				return errOr(err, fs.SkipDir)
			}
			if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return nil
			}
			loggedIn(t, path, events)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return events
}

func errOr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

func loggedIn(t *testing.T, path string, events map[string]string) {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		message, ok := messageOf(call)
		if !ok {
			return true
		}
		where := files.Position(call.Pos()).String()
		name, ok := eventName(message)
		if !ok {
			t.Errorf("%s: the message of a log line is not constant: put what varies into attributes", where)
			return true
		}
		events[name] = where
		return true
	})
}

// messageOf returns a log call's message. A logger is recognised by its name,
// which ends in log or logger.
func messageOf(call *ast.CallExpr) (ast.Expr, bool) {
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || !isLogger(method.X) {
		return nil, false
	}
	at := map[string]int{"Info": 0, "Warn": 0, "Error": 0, "InfoContext": 1, "WarnContext": 1, "ErrorContext": 1, "LogAttrs": 2, "Log": 2}
	i, ok := at[method.Sel.Name]
	if !ok || len(call.Args) <= i {
		return nil, false
	}
	return call.Args[i], true
}

func isLogger(x ast.Expr) bool {
	name := ""
	switch x := x.(type) {
	case *ast.Ident:
		name = x.Name
	case *ast.SelectorExpr:
		name = x.Sel.Name
	case *ast.CallExpr:
		if s, ok := x.Fun.(*ast.SelectorExpr); ok {
			name = s.Sel.Name
			if name == "With" {
				return isLogger(s.X)
			}
		}
	}
	name = strings.ToLower(name)
	return strings.HasSuffix(name, "log") || strings.HasSuffix(name, "logger") || name == "slog"
}

func eventName(message ast.Expr) (string, bool) {
	switch m := message.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(m.Value)
		return logging.Name(s), err == nil
	case *ast.BinaryExpr: // a constant, and the name of a state
		s, ok := eventName(m.X)
		return s + "_*", ok && m.Op == token.ADD
	}
	return "", false
}

var documented = regexp.MustCompile("(?m)^\\| `([a-z0-9_*]+)` \\|")

// TestLogEventsAreDocumented makes the names stable: whoever changes a message
// changes what filters and alerts of operators rely on, and sees so here.
func TestLogEventsAreDocumented(t *testing.T) {
	events := logged(t)
	if len(events) < 20 {
		t.Fatalf("found %d log lines: the search is broken", len(events))
	}
	_, section, _ := strings.Cut(read(t, "docs", "operations.md"), "\n## Log events\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var listed []string
	for _, m := range documented.FindAllStringSubmatch(section, -1) {
		listed = append(listed, m[1])
	}
	for _, name := range slices.Sorted(maps.Keys(events)) {
		if !slices.Contains(listed, name) {
			t.Errorf("docs/operations.md does not list the log event `%s` (%s)", name, events[name])
		}
	}
	for _, name := range listed {
		if _, ok := events[name]; !ok && name != "recovered" {
			t.Errorf("docs/operations.md lists the log event `%s`, which nothing logs", name)
		}
	}
}
