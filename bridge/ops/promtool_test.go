package ops

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestPromtoolFindsNothing runs Prometheus's own linter over everything that
// /metrics can show, the runtime's metrics too.
func TestPromtoolFindsNothing(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("promtool is not installed: scripts/prepare prometheus")
		}
		t.Skip("promtool is not installed: scripts/prepare prometheus")
	}
	s, _ := full()
	cmd := exec.Command(promtool, "check", "metrics", "--extended")
	cmd.Stdin = strings.NewReader(scrape(t, func() Snapshot { return s }))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("promtool check metrics: %v\n%s", err, out)
	}
	// With --extended it prints a table of cardinalities after its findings,
	// of which there must be none.
	if !strings.HasPrefix(string(out), "Metric") {
		t.Errorf("promtool check metrics found:\n%s", out)
	}
}
