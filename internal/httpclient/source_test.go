package httpclient_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// allowed are the files of the product that may make a client of their own: what they send
// carries no credential of the bridge's.
var allowed = map[string]string{
	"internal/httpclient/httpclient.go": "makes them",
}

// TestNoOtherClients: whatever the daemon and the command ask over HTTP, they ask with a client
// that follows no redirects.
func TestNoOtherClients(t *testing.T) {
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", `{{if and .Module .Module.Main}}{{$d := .Dir}}{{range .GoFiles}}{{$d}}/{{.}}{{"\n"}}{{end}}{{end}}`, "chatbridge/cmd/bridge")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	files := strings.Fields(string(out))
	if len(files) < 100 {
		t.Fatalf("only %d files of the product", len(files))
	}
	for _, path := range files {
		name, err := filepath.Rel(root, path)
		if err != nil {
			t.Fatal(err)
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if allowed[name] != "" || strings.HasPrefix(name, "demo/") || strings.HasPrefix(name, "internal/") && !strings.HasPrefix(name, "internal/httpclient") {
			continue // the demo, and what it and tests start, have no credentials but their own
		}
		ast.Inspect(file, func(n ast.Node) bool {
			bad := ""
			switch n := n.(type) {
			case *ast.CompositeLit:
				if of(n.Type, "http", "Client") {
					bad = "http.Client{}"
				}
			case *ast.CallExpr:
				if id, ok := n.Fun.(*ast.Ident); ok && id.Name == "new" && len(n.Args) == 1 && of(n.Args[0], "http", "Client") {
					bad = "new(http.Client)"
				}
				if (of(n.Fun, "otlpmetrichttp", "New") || of(n.Fun, "otlptracehttp", "New")) && !strings.Contains(text(n), "WithProxy") {
					bad = "an exporter without WithProxy(httpclient.Proxy)"
				}
				for _, f := range []string{"Get", "Post", "Head", "PostForm"} {
					if of(n.Fun, "http", f) {
						bad = "http." + f
					}
				}
			case *ast.ValueSpec:
				if n.Type != nil && of(n.Type, "http", "Client") {
					bad = "var of http.Client"
				}
			case *ast.SelectorExpr:
				if of(n, "http", "DefaultClient") {
					bad = "http.DefaultClient"
				}
			}
			if bad != "" {
				t.Errorf("%s: %s: use internal/httpclient, whose clients follow no redirects", set.Position(n.Pos()), bad)
			}
			return true
		})
	}
}

func of(e ast.Node, pkg, name string) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != name {
		return false
	}
	id, ok := s.X.(*ast.Ident)
	return ok && id.Name == pkg
}

// text returns the names in an expression.
func text(n ast.Node) string {
	var b strings.Builder
	ast.Inspect(n, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			b.WriteString(id.Name + " ")
		}
		return true
	})
	return b.String()
}
