package opstest_test

import (
	"bytes"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// rule is one alert of configs/alerts.yaml.
type rule struct {
	Alert, Expr string
	Labels      map[string]string
	Annotations map[string]string
}

func alerts(t *testing.T) []rule {
	t.Helper()
	var file struct{ Groups []struct{ Rules []rule } }
	decode(t, read(t, "configs", "alerts.yaml"), &file)
	var all []rule
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("no alerts")
	}
	return all
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(text), into); err != nil {
		t.Fatal(err)
	}
}

func TestAlerts(t *testing.T) {
	promtool := tool(t, "promtool", "prometheus")
	for _, args := range [][]string{
		{"check", "rules", root("configs", "alerts.yaml")},
		{"test", "rules", "testdata/alerts_test.yaml"},
	} {
		if out, err := exec.Command(promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// TestEveryAlertIsTested: both ways, by name.
func TestEveryAlertIsTested(t *testing.T) {
	var file struct {
		Tests []struct {
			Rules []struct {
				Alertname string
				Expected  []any `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	decode(t, read(t, "internal", "opstest", "testdata", "alerts_test.yaml"), &file)
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, r := range test.Rules {
			if len(r.Expected) > 0 {
				fires[r.Alertname] = true
			} else {
				quiet[r.Alertname] = true
			}
		}
	}
	for _, r := range alerts(t) {
		if !fires[r.Alert] || !quiet[r.Alert] {
			t.Errorf("%s: tested to fire: %v, to keep quiet: %v", r.Alert, fires[r.Alert], quiet[r.Alert])
		}
	}
}

var (
	metricName = regexp.MustCompile(`\b(?:bridge|process|go)_[a-z_]+`)
	labelValue = regexp.MustCompile(`(\w+)(=~|!=|=)"([^"]*)"`)
)

// TestAlertsUseWhatExists: an alert on a metric or a label's value that nobody
// shows would never fire.
func TestAlertsUseWhatExists(t *testing.T) {
	shown := read(t, "bridge", "ops", "testdata", "metrics.txt")
	for _, r := range alerts(t) {
		for _, name := range metricName.FindAllString(r.Expr, -1) {
			if strings.HasPrefix(name, "bridge_") && !strings.Contains(shown, "# TYPE "+name+" ") {
				t.Errorf("%s asks for %s, which is not shown", r.Alert, name)
			}
		}
		for _, m := range labelValue.FindAllStringSubmatch(r.Expr, -1) {
			for value := range strings.SplitSeq(m[3], "|") {
				// These come with the first count, or are the scraper's.
				if m[1] == "job" || m[1] == "code" {
					continue
				}
				if !strings.Contains(shown, m[1]+`="`+value+`"`) {
					t.Errorf("%s asks for %s=%q, which is not shown", r.Alert, m[1], value)
				}
			}
		}
		if !slices.Contains([]string{"critical", "warning"}, r.Labels["severity"]) {
			t.Errorf("%s has severity %q", r.Alert, r.Labels["severity"])
		}
	}
}

// headings are the sections of a document, as anchors.
func headings(text string) map[string]string {
	all := map[string]string{}
	var name string
	var body bytes.Buffer
	flush := func() {
		if name != "" {
			all[name] = strings.TrimSpace(body.String())
		}
		body.Reset()
	}
	for line := range strings.Lines(text) {
		if title, ok := strings.CutPrefix(line, "#"); ok {
			flush()
			name = strings.ToLower(strings.Trim(title, "#` \n"))
			continue
		}
		body.WriteString(line)
	}
	flush()
	return all
}

// TestRunbook: each alert leads to an entry that is not empty, and no entry
// is about an alert that is gone.
func TestRunbook(t *testing.T) {
	entries := headings(read(t, "docs", "runbook.md"))
	known := map[string]bool{}
	for _, r := range alerts(t) {
		anchor := strings.ToLower(r.Alert)
		known[anchor] = true
		if r.Annotations["runbook"] != "docs/runbook.md#"+anchor {
			t.Errorf("%s leads to %q", r.Alert, r.Annotations["runbook"])
		}
		if len(entries[anchor]) < 80 {
			t.Errorf("%s has no entry in docs/runbook.md that helps", r.Alert)
		}
	}
	for name := range entries {
		if strings.HasPrefix(name, "bridge") && !strings.Contains(name, " ") && !known[name] {
			t.Errorf("docs/runbook.md has an entry for %s, which is no alert", name)
		}
	}
}
