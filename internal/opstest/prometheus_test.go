package opstest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"chatbridge/internal/schemas"
	"chatbridge/internal/sioclient"
	"chatbridge/internal/throwaway/pgtest"
)

// prometheus is a real one.
type prometheus struct {
	t   *testing.T
	url string
}

// startPrometheus has a Prometheus scrape the admin listeners every 200 ms.
func startPrometheus(t *testing.T, flags []string, targets ...string) *prometheus {
	t.Helper()
	dir, address := t.TempDir(), freeAddress(t)
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf(`
global: {scrape_interval: 200ms, scrape_timeout: 200ms}
scrape_configs:
  - job_name: chatbridge
    static_configs: [{targets: [%s]}]
`, strings.Join(targets, ", "))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(tool(t, "prometheus", "prometheus"), append([]string{
		"--config.file", config, "--storage.tsdb.path", filepath.Join(dir, "data"), "--web.listen-address", address, "--log.level", "warn",
	}, flags...)...)
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("Prometheus: %s", log.String())
		}
	})
	p := &prometheus{t, "http://" + address}
	get(t, p.url+"/-/ready", 200)
	return p
}

// series is one of an answer: its labels and its value, NaN for a histogram.
type series struct {
	Labels map[string]string `json:"metric"`
	Value  sampleValue
}

type sampleValue float64

func (v *sampleValue) UnmarshalJSON(b []byte) error {
	var pair [2]any
	if err := json.Unmarshal(b, &pair); err != nil {
		return err
	}
	text, _ := pair[1].(string)
	f, err := strconv.ParseFloat(text, 64)
	*v = sampleValue(f)
	return err
}

// query asks once.
func (p *prometheus) query(expr string) []series {
	p.t.Helper()
	answer, err := web.Get(p.url + "/api/v1/query?query=" + url.QueryEscape(expr))
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		p.t.Fatalf("%s: %s, %v: %s", expr, answer.Status, err, body)
	}
	var result struct{ Data struct{ Result []series } }
	if err := json.Unmarshal(body, &result); err != nil {
		p.t.Fatalf("%s: %v: %s", expr, err, body)
	}
	return result.Data.Result
}

// await asks until there is an answer that is a number, and returns the first value.
func (p *prometheus) await(expr string) float64 {
	p.t.Helper()
	for deadline := time.Now().Add(waitLimit); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		for _, s := range p.query(expr) {
			if !math.IsNaN(float64(s.Value)) {
				return float64(s.Value)
			}
		}
	}
	p.t.Fatalf("no answer to %s, but %v", expr, p.query(expr))
	return 0
}

// join has a client that receives what it is sent, until the test ends; each event calls
// received.
func join(t *testing.T, public, token string, received func(name string)) *sioclient.Client {
	t.Helper()
	connected := make(chan struct{}, 1)
	c, err := sioclient.New(sioclient.Options{
		URL: "http://" + public, Auth: map[string]any{"token": token},
		OnConnect: func(sioclient.Session) {
			select {
			case connected <- struct{}{}:
			default:
			}
		},
		OnEvent: func(e sioclient.Event) { received(e.Name) },
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	wait(t, connected, "the client to be in")
	return c
}

// TestPrometheusTakesNativeHistograms: one server takes the native histograms, another the
// classic ones, and both say the same.
func TestPrometheusTakesNativeHistograms(t *testing.T) {
	db := pgtest.DB(t, schemas.CRM)
	public, admin := freeAddress(t), freeAddress(t)
	start(t, setup{
		args: []string{"serve", "--listen", public, "--admin.listen", admin},
		env:  []string{"DATABASE_URL=" + db, "CHATENGINE_JWT_SECRET=secret"},
	})
	get(t, "http://"+public+"/readyz", 200)
	native := startPrometheus(t, []string{"--enable-feature=native-histograms"}, admin)
	classic := startPrometheus(t, nil, admin)
	native.await("histogram_count(bridge_commit_to_publish_seconds)")
	classic.await("bridge_commit_to_publish_seconds_count")

	const messages = 40
	all, n := make(chan struct{}), 0
	join(t, public, signed(t, "secret"), func(name string) {
		if name == "message" {
			if n++; n == messages {
				close(all)
			}
		}
	})
	insertMessages(t, db, messages)
	wait(t, all, "the messages")

	// Several packets may leave in one write.
	for name, least := range map[string]int{"bridge_commit_to_publish_seconds": messages, "bridge_publish_to_socket_seconds": 1} {
		native.await(fmt.Sprintf("histogram_count(%s) >= %d", name, least))
		classic.await(fmt.Sprintf("%s_count >= %d", name, least))
		exact := native.await(fmt.Sprintf("histogram_quantile(0.99, sum(rate(%s[1m])))", name))
		if exact <= 0 || exact > waitLimit.Seconds() {
			t.Errorf("the 99th percentile of %s is %v s", name, exact)
		}
		classic.await(fmt.Sprintf("histogram_quantile(0.99, sum by (le) (rate(%s_bucket[1m])))", name))
	}
	count := regexp.MustCompile(`(?m)^bridge_commit_to_publish_seconds_count (\d+)$`).FindStringSubmatch(get(t, "http://"+admin+"/metrics", 200))
	native.await("histogram_count(bridge_commit_to_publish_seconds) >= " + count[1])
	classic.await("bridge_commit_to_publish_seconds_count >= " + count[1])
	// Nothing is counted any more: the fine median is in the coarse one's bucket, give or
	// take one of its own.
	median := native.await("histogram_quantile(0.5, bridge_commit_to_publish_seconds)")
	var below, above float64
	for _, s := range classic.query("bridge_commit_to_publish_seconds_bucket / ignoring (le) group_left bridge_commit_to_publish_seconds_count") {
		le, err := strconv.ParseFloat(s.Labels["le"], 64)
		if err != nil {
			t.Fatal(err)
		}
		if float64(s.Value) < 0.5 {
			below = max(below, le)
		} else if above == 0 || le < above {
			above = le
		}
	}
	if median < below/1.1 || median > above*1.1 {
		t.Errorf("the native median is %v s, the classic one between %v and %v", median, below, above)
	}
	if got := classic.query("histogram_count(bridge_commit_to_publish_seconds)"); len(got) != 0 {
		t.Errorf("without native histograms there is one: %v", got)
	}
}

// insertMessages writes n messages, each in a transaction of its own, to a conversation that
// it makes where there is none.
func insertMessages(t *testing.T, db string, n int) {
	t.Helper()
	statements := []string{`
		with c as (
			insert into contacts (workspace_id, name, phone)
			select '` + workspace + `', 'Ana', '+5511999999999' where not exists (select from conversations) returning id
		) insert into conversations (workspace_id, contact_id) select '` + workspace + `', id from c`}
	for range n {
		statements = append(statements, `insert into messages (workspace_id, conversation_id, body, is_outgoing, status)
			select workspace_id, id, 'the content of a message', false, 'delivered' from conversations limit 1`)
	}
	if err := pgtest.Exec(t.Context(), db, statements...); err != nil {
		t.Fatal(err)
	}
}
