package opstest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	child "chatbridge/internal/process"
)

// TestPrometheusScrapesAndAlerts: a real one, with configs/alerts.yaml, over the program;
// alerts that wait for nothing fire by what really happens, and end with it.
func TestPrometheusScrapesAndAlerts(t *testing.T) {
	t.Parallel()
	prometheus := tool(t, "prometheus", "prometheus")
	dir := t.TempDir()
	config, public, admin, web := filepath.Join(dir, "bridge.yaml"), freeAddress(t), freeAddress(t), freeAddress(t)
	configure := func(level string) {
		write(t, config, fmt.Sprintf("listen: %s\nadmin:\n  listen: %s\nlog:\n  level: %s\n", public, admin, level))
	}
	configure("info")
	// The database is away: BridgeNotReady waits for a minute.
	p := start(t, setup{args: []string{"serve", "--config", config}, env: []string{
		"DATABASE_URL=postgres://a:b@" + freeAddress(t) + "/db", "CHATENGINE_JWT_SECRET=0123456789abcdef0123456789abcdef",
	}})
	p.line("serving", 1)

	rules, err := filepath.Abs(root("configs", "alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	scrapes := filepath.Join(dir, "prometheus.yml")
	write(t, scrapes, fmt.Sprintf(`global: {scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}
scrape_configs:
  - job_name: chatbridge
    static_configs: [{targets: [%q]}]
rule_files: [%q]
`, admin, rules))
	cmd := exec.Command(prometheus, "--config.file="+scrapes, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+web, "--log.level=error")
	server, err := child.Start(cmd, syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.KillGroup(); _ = server.Wait() })
	ask := func(path string, into any) bool {
		resp, err := http.Get("http://" + web + path)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return err == nil && json.Unmarshal(body, into) == nil
	}
	await := func(what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(waitLimit); !ok(); time.Sleep(20 * time.Millisecond) { // polls another process
			if time.Now().After(deadline) {
				t.Fatalf("%s did not come", what)
			}
		}
	}
	firing := func() (names []string) {
		var answer struct {
			Data struct {
				Alerts []struct {
					State  string
					Labels map[string]string
				}
			}
		}
		if !ask("/api/v1/alerts", &answer) {
			return []string{"?"}
		}
		for _, a := range answer.Data.Alerts {
			if a.State == "firing" {
				names = append(names, a.Labels["alertname"])
			}
		}
		return names
	}
	await("scrapes", func() bool {
		var answer struct {
			Data struct{ Result []any }
		}
		return ask("/api/v1/query?query=count_over_time(bridge_config_reload_ok[1m])%3E2", &answer) && len(answer.Data.Result) == 1
	})
	if got := firing(); len(got) > 0 {
		t.Errorf("before anything happened fires %v", got)
	}

	configure("loud")
	p.signal(syscall.SIGHUP)
	await("BridgeReloadFailed", func() bool { return slices.Contains(firing(), "BridgeReloadFailed") })
	configure("info")
	p.signal(syscall.SIGHUP)
	await("its end", func() bool { return !slices.Contains(firing(), "BridgeReloadFailed") })

	r, err := http.NewRequest(http.MethodGet, "http://"+public+"/api/ws/?EIO=4&transport=polling", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Origin", "https://other.example")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	await("BridgeOriginRefused", func() bool { return slices.Contains(firing(), "BridgeOriginRefused") })
}
