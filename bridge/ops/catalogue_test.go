package ops

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestCatalogue holds docs/metrics.md to the code; -update writes it.
func TestCatalogue(t *testing.T) {
	const page = "../../docs/metrics.md"
	got := catalogue(t)
	if *update {
		if err := os.WriteFile(page, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("docs/metrics.md is not as the code says; look at the difference and run with -update:\n%s", difference(string(want), got))
	}
}

func catalogue(t *testing.T) string {
	var b strings.Builder
	b.WriteString(catalogueHead)
	values, users := labelValues(t), usersOfMetrics(t)
	for _, s := range sections() {
		title := s.title
		if s.key != "" {
			title += " (`" + s.key + "`)"
		}
		fmt.Fprintf(&b, "\n## %s\n\n| metric | type | unit | labels | meaning | used by |\n|---|---|---|---|---|---|\n", title)
		slices.SortFunc(s.families, func(a, b family) int { return strings.Compare(a.name, b.name) })
		for _, f := range s.families {
			var labels []string
			for _, label := range f.labels {
				labels = append(labels, "`"+label+"`: "+values.of(t, f.name, label))
			}
			help := f.help
			if f.where != "" {
				help += " There " + f.where + "."
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n",
				f.name, f.kind, unit(f.name), orDash(strings.Join(labels, "; ")), help, orDash(strings.Join(users[f.name], ", ")))
		}
	}
	return b.String()
}

const catalogueHead = `# Metrics

All that ` + "`/metrics`" + ` shows beside the Go runtime's and the process's own (` + "`go_`, `process_`" + `).
This page is written by a test from the code: ` + "`go test ./bridge/ops -update`" + `. How to
scrape it, what to look at first, the dashboard and the alerts are in
[operations.md](operations.md#metrics).

Under *used by* are alerts of [configs/alerts.yaml](../configs/alerts.yaml), and in quotes the
panels of the dashboard, [configs/grafana/bridge.json](../configs/grafana/bridge.json).

A setting beside a heading is what the section's metrics take; the others are always there.
A counter by reason or code may begin with the first time that it counts: the reasons of
transports, of the gateway and of the mapping are there from the start, codes are not. The
unit of what has none is its number.
`

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

// unit is in the name.
func unit(name string) string {
	name = strings.TrimSuffix(name, "_total")
	switch {
	case strings.HasSuffix(name, "_timestamp_seconds"):
		return "Unix time"
	case strings.HasSuffix(name, "_seconds"):
		return "s"
	case strings.HasSuffix(name, "_bytes"):
		return "B"
	}
	return "–"
}

// valuesOf are the values of labels, by metric and label.
type valuesOf map[string]map[string]bool

// open are labels whose values the code does not know.
var open = map[string]string{
	"version": "the program's", "commit": "the program's", "go": "the program's",
	"table": "of the mapping", "member": "of the event", "code/bridge_rest_requests_total": "the HTTP status",
	"host":    "of the other bridge",
	"setting": "the key",
}

func (v valuesOf) of(t *testing.T, metric, label string) string {
	for _, key := range []string{label + "/" + metric, label} {
		if text := open[key]; text != "" {
			return text
		}
	}
	all := slices.Sorted(maps.Keys(v[metric+" "+label]))
	if len(all) == 0 {
		t.Errorf("%s: no value of %s is known: see written", metric, label)
	}
	return "`" + strings.Join(all, "`, `") + "`"
}

func (v valuesOf) add(metric, label, value string) {
	key := metric + " " + label
	if v[key] == nil {
		v[key] = map[string]bool{}
	}
	v[key][value] = true
}

// written tells where in the code the values of a label are that come with what they
// count: how, a colon, the name and the package.
var written = map[string][]string{
	"bridge_client_events_refused_total code":       {"lit:fault bridge/api", "const:Code bridge/send"},
	"bridge_gateway_catch_ups_total outcome":        {"in:Outcome.String bridge/gateway/handover"},
	"bridge_gateway_refused_total reason":           {"in:refused bridge/gateway"},
	"bridge_gateway_switches_total state":           {"in:State.String bridge/gateway"},
	"bridge_gateway_upstream_failures_total reason": {"in:failure.String bridge/gateway"},
	"bridge_log_lines_total level":                  {"in:Log.Stats bridge/logging"},
	"bridge_mapping_left_out_total event":           {"in:kinds mapping/contract"},
	"bridge_mapping_rows_total op":                  {"in:Op.String source"},
	"bridge_mapping_shortened_total event":          {"in:kinds mapping/contract"},
	"bridge_mapping_skipped_total reason":           {"in:skipNames mapping/engine"},
	"bridge_mapping_unmappable_total reason":        {"in:failNames mapping/engine"},
	"bridge_realtime_disconnects_total reason":      {"lit:ended source/realtime"},
	"bridge_realtime_dropped_total reason":          {"const:drop source/realtime"},
	"bridge_realtime_stream_gaps_total reason":      {"const:gap source/realtime"},
	"bridge_rest_request_seconds_total route":       {"in:route.String bridge/rest"},
	"bridge_rest_requests_total route":              {"in:route.String bridge/rest"},
	"bridge_rest_rows_total route":                  {"in:route.String bridge/rest"},
	"bridge_send_reads_total result":                {"call:read bridge/send", "const:Code bridge/send"},
	"bridge_send_requests_total result":             {"call:result bridge/send", "in:Pending bridge/send", "in:Sent bridge/send", "const:Code bridge/send"},
	"bridge_tokens_refused_total code":              {"const:Code bridge/auth", "in:unavailable bridge/api", "in:workspaceFull bridge/api"},
	"bridge_disconnects_total reason":               {},
	"bridge_refusals_total reason":                  {},
}

// labelValues are those of a full exposition, but for what is written.
func labelValues(t *testing.T) valuesOf {
	all := valuesOf{}
	s, _ := full()
	series := regexp.MustCompile(`^(bridge_\w+)\{(.*)\}`)
	label := regexp.MustCompile(`(\w+)="([^"]*)"`)
	for line := range strings.Lines(scrape(t, func() Snapshot { return s })) {
		if m := series.FindStringSubmatch(line); m != nil {
			for _, l := range label.FindAllStringSubmatch(m[2], -1) {
				if _, elsewhere := written[m[1]+" "+l[1]]; !elsewhere && !strings.HasPrefix(l[2], "some") {
					all.add(m[1], l[1], l[2])
				}
			}
		}
	}
	// What each kind of source may be in.
	for _, kind := range []string{"postgres", "realtime"} {
		for _, state := range states(kind) {
			all.add("bridge_source_state", "kind", kind)
			all.add("bridge_source_state", "state", string(state))
		}
	}
	// An empty Snapshot has the reasons that are there from the start.
	for line := range strings.Lines(scrape(t, func() Snapshot { return Snapshot{} })) {
		if m := series.FindStringSubmatch(line); m != nil && (m[1] == "bridge_disconnects_total" || m[1] == "bridge_refusals_total") {
			all.add(m[1], "reason", label.FindStringSubmatch(m[2])[2])
		}
	}
	for key, places := range written {
		metric, label, _ := strings.Cut(key, " ")
		for _, place := range places {
			how, dir, _ := strings.Cut(place, " ")
			found := literals(t, filepath.Join("..", "..", dir), how)
			if len(found) == 0 {
				t.Errorf("%s: the code has no values at %s", key, place)
			}
			for _, value := range found {
				all.add(metric, label, value)
			}
		}
	}
	return all
}

// word is what a label's value looks like in the code.
var word = regexp.MustCompile(`^[a-z][A-Za-z0-9_%-]*$`)

// literals returns the words of a package's code: those of constants whose names begin with
// a prefix (const:), within a declaration (in:), as arguments of a function (call:) or first
// in a composite literal (lit:).
func literals(t *testing.T, dir, how string) (found []string) {
	how, name, _ := strings.Cut(how, ":")
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	collect := func(n ast.Node) {
		ast.Inspect(n, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				text, _ := strconv.Unquote(lit.Value)
				if word.MatchString(text) {
					text = strings.ReplaceAll(text, "%d", "*")
					if strings.HasSuffix(text, "_") {
						text += "*"
					}
					found = append(found, text)
				}
			}
			return true
		})
	}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if how == "in" && declared(n) == name {
					collect(n.Body)
				}
			case *ast.ValueSpec:
				for i, id := range n.Names {
					rest, prefixed := strings.CutPrefix(id.Name, name)
					upper := prefixed && rest != "" && rest[0] >= 'A' && rest[0] <= 'Z'
					if (how == "in" && id.Name == name || how == "const" && upper) && i < len(n.Values) {
						collect(n.Values[i])
					}
				}
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.SelectorExpr); ok && how == "call" && f.Sel.Name == name && len(n.Args) > 0 {
					if lit, ok := n.Args[0].(*ast.BasicLit); ok {
						collect(lit)
					}
				}
			case *ast.CompositeLit:
				if id, ok := n.Type.(*ast.Ident); ok && how == "lit" && id.Name == name && len(n.Elts) > 0 {
					first := n.Elts[0]
					if pair, ok := first.(*ast.KeyValueExpr); ok {
						first = pair.Value
					}
					collect(first)
				}
			}
			return true
		})
	}
	return found
}

// declared is a function's name, with its receiver's type.
func declared(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	typ := f.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	id, _ := typ.(*ast.Ident)
	if id == nil {
		return f.Name.Name
	}
	return id.Name + "." + f.Name.Name
}

// usersOfMetrics are the alerts and the panels of the dashboard that ask for each metric.
func usersOfMetrics(t *testing.T) map[string][]string {
	text, err := os.ReadFile("../../configs/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	users := map[string][]string{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			for _, name := range metricsIn(r.Expr) {
				users[name] = append(users[name], fmt.Sprintf("[%s](runbook.md#%s)", r.Alert, strings.ToLower(r.Alert)))
			}
		}
	}
	if text, err = os.ReadFile("../../configs/grafana/bridge.json"); err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	for _, p := range dashboard.Panels {
		for _, q := range p.Targets {
			for _, name := range metricsIn(q.Expr) {
				if use := "“" + p.Title + "”"; !slices.Contains(users[name], use) {
					users[name] = append(users[name], use)
				}
			}
		}
	}
	return users
}

var metricName = regexp.MustCompile(`\bbridge_[a-z_]+`)

// metricsIn returns the metrics that an expression asks for, each once.
func metricsIn(expr string) (names []string) {
	for _, name := range metricName.FindAllString(expr, -1) {
		name = strings.TrimSuffix(name, "_bucket")
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
