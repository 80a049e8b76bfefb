// Package imports checks the direction of the module's imports and its
// dependencies on other modules.
package imports

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// allowed lists, for each package, which others of the module its code (not
// its tests) may import, directly or not. A trailing /... admits a subtree.
// Packages that are not listed may import anything.
var allowed = map[string][]string{
	"internal/jsonscan":        {},
	"internal/recv":            {},
	"internal/retry":           {},
	"internal/sqlquote":        {},
	"internal/rowsecurity":     {},
	"internal/plural":          {},
	"internal/durable":         {},
	"internal/histogram":       {},
	"internal/lockstats":       {},
	"internal/httpclient":      {},
	"internal/certname":        {},
	"source":                   {},
	"source/postgres/pgoutput": {"source"},
	"source/postgres":          {"source", "source/postgres/..."},
	"source/ledgerfile":        {"internal/retry"},
	"source/readback":          {"source"},
	"source/reconcile":         {"source", "source/readback", "source/ledgerfile"},
	"source/repair":            {"source", "source/readback", "source/reconcile", "source/ledgerfile"},
	"source/realtime":          {"source", "source/readback", "source/reconcile", "source/ledgerfile"},
	"mapping/contract":         {},
	"mapping/internal/convert": {},
	"mapping/internal/plan":    {"source", "mapping/internal/convert"},
	"mapping":                  {"source", "mapping/contract", "mapping/internal/convert", "mapping/internal/plan"},
	"mapping/engine":           {"source", "mapping", "mapping/contract", "mapping/internal/convert", "mapping/internal/plan"},
	"mapping/lookup":           {"source", "mapping", "mapping/contract", "mapping/engine", "mapping/internal/convert", "mapping/internal/plan"},
	"socketio/engineio":        {"socketio/engineio/..."},
	"socketio":                 {"socketio/..."},
	"configs":                  {},
	"bridge/auth":              {"bridge/auth/..."},
	"bridge/replay":            {"source", "mapping/contract", "socketio", "socketio/..."},
	"bridge/hub":               {"source", "mapping/contract", "socketio", "socketio/...", "bridge/replay"},
	"bridge/far": {
		"source", "mapping", "mapping/contract", "mapping/engine", "mapping/internal/...", "mapping/lookup", "socketio", "socketio/...",
		"bridge/hub", "bridge/replay",
	},
	// No source but its vocabulary, no configuration, no gateway.
	"bridge/rest": {
		"source", "mapping", "mapping/...", "socketio", "socketio/...",
		"bridge/access", "bridge/auth", "bridge/far", "bridge/hub", "bridge/replay", "bridge/send",
	},
	"bridge/cluster":          {"source", "mapping/contract"},
	"bridge/gateway":          {"bridge/gateway/...", "bridge/access"},
	"bridge/gateway/handover": {"bridge/gateway/frame"},
	"bridge/gateway/frame":    {},
	"bridge/gateway/spool":    {},
	"bridge/access":           {},
	// No source but its vocabulary, no configuration.
	"bridge/api": {
		"source", "mapping/contract", "socketio", "socketio/...",
		"bridge/access", "bridge/auth", "bridge/cluster", "bridge/gateway", "bridge/gateway/...", "bridge/hub", "bridge/replay", "bridge/send",
	},
	// No token but as a text, no socket, no hub.
	"bridge/send":             {"mapping/contract"},
	"internal/functiondouble": {},
	"bridge/pipeline": {
		"source", "mapping/...", "socketio", "socketio/...", "bridge/hub", "bridge/replay",
	},
	"bridge/logging":      {},
	"internal/nearest":    {},
	"internal/npm":        {"internal/process"},
	"internal/process":    {},
	"internal/throwaway":  {"internal/process"},
	"internal/history":    {"source"},
	"bridge/systemd":      {},
	"bridge/requirements": {"configs", "source", "source/postgres/...", "mapping", "mapping/..."},
	// The daemon is not needed to check what it would find.
	"bridge/check": {"configs", "source", "source/postgres/...", "source/ledgerfile", "source/readback", "source/reconcile", "source/realtime", "mapping", "mapping/...", "bridge/access", "bridge/auth", "bridge/cluster", "bridge/gateway", "bridge/gateway/...", "bridge/requirements", "bridge/send", "bridge/telemetry/otlp"},
	// Of bridge, what it needs of a Snapshot; never bridge itself.
	"bridge/console": {
		"source", "source/...", "mapping/...", "socketio", "socketio/...",
		"bridge/access", "bridge/api", "bridge/auth", "bridge/cluster", "bridge/far", "bridge/gateway", "bridge/gateway/...", "bridge/hub", "bridge/logging", "bridge/ops", "bridge/pipeline", "bridge/replay", "bridge/rest", "bridge/send", "bridge/telemetry", "bridge/telemetry/otlp",
	},
	// Never bridge itself, which imports it.
	"bridge/ops": {
		"source", "source/...", "mapping/...", "socketio", "socketio/...",
		"bridge/access", "bridge/api", "bridge/auth", "bridge/cluster", "bridge/far", "bridge/gateway", "bridge/gateway/...", "bridge/hub", "bridge/logging", "bridge/pipeline", "bridge/replay", "bridge/rest", "bridge/send",
		"bridge/telemetry", "bridge/telemetry/otlp",
	},
	// What it sends is made elsewhere.
	"bridge/telemetry/otlp": {},
	"bridge/telemetry": {
		"source", "mapping/...", "mapping", "socketio", "socketio/...", "bridge/hub", "bridge/replay", "bridge/pipeline", "bridge/telemetry/otlp",
	},
}

// TestImportsPointInward: source, the vocabulary, imports nothing of ours;
// mapping knows rows and no sockets, socketio sockets and no rows; only
// bridge knows all of them.
func TestImportsPointInward(t *testing.T) {
	const module = "chatbridge/"
	for pkg, may := range allowed {
		for dep := range strings.FieldsSeq(string(output(t, "go", "list", "-deps", module+pkg))) {
			name, ours := strings.CutPrefix(dep, module)
			if ours && name != pkg && !admits(may, name) {
				t.Errorf("%s must not import %s", pkg, name)
			}
		}
	}
}

// helpers may be imported from everywhere: they know nothing of ours.
var helpers = []string{"internal/jsonscan", "internal/retry", "internal/nearest", "internal/sqlquote", "internal/rowsecurity", "internal/plural", "internal/clientkey", "internal/durable", "internal/certname", "internal/histogram", "internal/httpclient", "internal/lockstats", "internal/recv"}

func admits(may []string, name string) bool {
	if slices.Contains(helpers, name) {
		return true
	}
	for _, m := range may {
		if tree, ok := strings.CutSuffix(m, "/..."); m == name || ok && (name == tree || strings.HasPrefix(name, tree+"/")) {
			return true
		}
	}
	return false
}

// TestOnlyTheDemoShowsItself: the demo's page and its buttons are before the bridge in
// `bridge demo` alone.
func TestOnlyTheDemoShowsItself(t *testing.T) {
	for importer := range strings.Lines(string(output(t, "go", "list", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "chatbridge/..."))) {
		fields := strings.Fields(importer)
		if fields[0] != "chatbridge/cmd/bridge" && slices.Contains(fields[1:], "chatbridge/demo") {
			t.Errorf("%s imports demo", fields[0])
		}
	}
	sources := output(t, "go", "list", "-f", `{{$d := .Dir}}{{range .GoFiles}}{{$d}}/{{.}}{{"\n"}}{{end}}`, "chatbridge/...")
	var in []string
	for file := range strings.FieldsSeq(string(sources)) {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case strings.Contains(string(content), "demo.Run("):
			in = append(in, "runs in "+filepath.Base(file))
		case strings.Contains(string(content), "Front:"):
			in = append(in, "front in "+filepath.Base(filepath.Dir(file))+"/"+filepath.Base(file))
		}
	}
	slices.Sort(in)
	if want := []string{"front in demo/demo.go", "runs in demo.go"}; !slices.Equal(in, want) {
		t.Errorf("the demo: %q, want %q", in, want)
	}
}
