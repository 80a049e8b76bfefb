package ops

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"chatbridge/mapping/contract"
	"chatbridge/socketio/engineio"
)

var update = flag.Bool("update", false, "write testdata/metrics.txt anew")

// scrape asks a Handler for its text.
func scrape(t *testing.T, take func() Snapshot) string {
	t.Helper()
	server := httptest.NewServer(metricsHandler(take, slog.New(slog.DiscardHandler)))
	defer server.Close()
	answer, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v: %s", answer.StatusCode, err, body)
	}
	return string(body)
}

// series leaves out the values, which are made up.
func series(text string) string {
	var b strings.Builder
	for line := range strings.Lines(ours(text)) {
		if !strings.HasPrefix(line, "#") {
			line = line[:strings.LastIndexByte(line, ' ')] + "\n"
		}
		b.WriteString(line)
	}
	return b.String()
}

// ours leaves the lines of bridge_
func ours(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimPrefix(strings.TrimPrefix(line, "# HELP "), "# TYPE "), "bridge_") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// TestExposition holds names, types, texts and labels, which dashboards and
// alerts rely on.
func TestExposition(t *testing.T) {
	s, _ := full()
	text := scrape(t, func() Snapshot { return s })
	for _, want := range []string{"go_goroutines ", "process_open_fds ", "process_start_time_seconds "} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("there is no %s", want)
		}
	}
	const golden = "testdata/metrics.txt"
	got := series(text)
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	got = withoutNewReasons(got, string(want))
	if got != string(want) {
		t.Errorf("not as in %s; look at the difference and run with -update:\n%s", golden, difference(string(want), got))
	}
}

// withoutNewReasons: a new reason of the transports adds a series, and breaks
// nothing that relies on the others.
func withoutNewReasons(got, want string) string {
	var b strings.Builder
	for line := range strings.Lines(got) {
		added := strings.HasPrefix(line, "bridge_disconnects_total{") || strings.HasPrefix(line, "bridge_refusals_total{")
		if !added || strings.Contains(want, line) {
			b.WriteString(line)
		}
	}
	return b.String()
}

func difference(want, got string) string {
	var b strings.Builder
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for _, line := range w {
		if !slices.Contains(g, line) {
			fmt.Fprintln(&b, "-", line)
		}
	}
	for _, line := range g {
		if !slices.Contains(w, line) {
			fmt.Fprintln(&b, "+", line)
		}
	}
	return b.String()
}

func TestValues(t *testing.T) {
	s, _ := full()
	s.Sockets.Polling, s.Sockets.WebSocket = 3, 1200
	s.Sockets.Closes[engineio.PingTimeout], s.Sockets.Refusals[engineio.ForbiddenOrigin] = 7, 8
	s.Source.LagBytes, s.Source.Lag = 4096, 0.25
	*s.Source.LastTransaction = time.UnixMilli(1_700_000_000_250)
	s.Hub.Published = [...]uint64{contract.Message: 10, contract.Typing: 2}
	s.Postgres.Inserts, s.Postgres.Deletes = 21, 22
	s.Gateway.Probes, s.Gateway.ProbesFailed = 100, 4
	s.Pipeline.Mapping.Lookups.Batches, s.Pipeline.Mapping.Lookups.Timeouts, s.Pipeline.Mapping.Lookups.Errors = 9, 2, 1
	text := ours(scrape(t, func() Snapshot { return s }))
	for _, want := range []string{
		`bridge_build_info{commit="0123456789ab",go="go1.26",version="v1.2.3"} 1`,
		`bridge_clients{transport="polling"} 3`,
		`bridge_clients{transport="websocket"} 1200`,
		`bridge_disconnects_total{reason="ping_timeout"} 7`,
		`bridge_refusals_total{reason="forbidden_origin"} 8`,
		`bridge_source_state{kind="postgres",state="streaming"} 1`,
		`bridge_source_state{kind="postgres",state="retrying"} 0`,
		`bridge_source_lag_bytes 4096`,
		`bridge_source_lag_seconds 0.25`,
		`bridge_source_last_transaction_timestamp_seconds 1.70000000025e+09`,
		`bridge_events_total{event="message"} 10`,
		`bridge_postgres_changes_total{op="insert"} 21`,
		`bridge_postgres_changes_total{op="delete"} 22`,
		`bridge_postgres_slot_wal_status{status="extended"} 1`,
		`bridge_postgres_slot_wal_status{status="lost"} 0`,
		`bridge_gateway_state{state="local"} 1`,
		`bridge_gateway_mode{mode="hold-local"} 0`,
		`bridge_gateway_probes_total{result="ok"} 96`,
		`bridge_gateway_probes_total{result="failed"} 4`,
		`bridge_lookup_batches_total{result="ok"} 6`,
		`bridge_lookup_batches_total{result="timeout"} 2`,
		`bridge_realtime_channel_state{state="live",table="public.messages"} 1`,
		`bridge_realtime_channel_state{state="refused",table="public.messages"} 0`,
		`bridge_commit_to_publish_seconds_bucket{le="0.001"} 1`,
		`bridge_commit_to_publish_seconds_bucket{le="1"} 3`,
		`bridge_commit_to_publish_seconds_bucket{le="+Inf"} 6`,
		`bridge_commit_to_publish_seconds_sum 90`,
		`bridge_publish_to_socket_seconds_bucket{le="0.0001"} 0`,
		`bridge_publish_to_socket_seconds_bucket{le="0.00025"} 4`,
		`bridge_publish_to_socket_seconds_bucket{le="+Inf"} 9`,
		`bridge_publish_to_socket_seconds_sum 1.5`,
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("lacks %s", want)
		}
	}
}

// hidden are the fields that no metric shows, with the reason.
var hidden = map[string]string{
	"Snapshot.Sockets.RoomsLock.Times":           "for tests",
	"Snapshot.OTel.Metrics.Last":                 "in /status",
	"Snapshot.OTel.Traces.Last":                  "in /status",
	"Snapshot.AdminTokenBursts":                  "the log tells of each; its tokens are counted",
	"Snapshot.Taken":                             "the scraper knows",
	"Snapshot.Memory.Bytes":                      "go_gc_gomemlimit_bytes",
	"Snapshot.Memory.Group":                      "in /status",
	"Snapshot.Source.Since":                      "in /status",
	"Snapshot.Postgres.FaultsTurned":             "in /status, as Since",
	"Snapshot.Source.FlowedUntil":                "bridge_source_lag_seconds, while the source is away",
	"Snapshot.Source.ReplacedValues":             "bridge_postgres_replaced_values_total",
	"Snapshot.Pipeline.LastGap.Since":            "in /status",
	"Snapshot.Pipeline.LastGap.Until":            "in /status",
	"Snapshot.Hub.Clients":                       "bridge_sockets counts them where they are accepted",
	"Snapshot.Hub.Feeds":                         "the gateway's, which bridge_sockets leaves out",
	"Snapshot.Hub.Repeated":                      "what a source reads again after it reconnects, no measurement",
	"Snapshot.REST.Tables.Readings":              "bridge_rest_requests_total counts them by what became of them",
	"Snapshot.REST.Tables.Rows":                  "bridge_rest_rows_total",
	"Snapshot.REST.Tables.Lists":                 "always 0: REST has its own",
	"Snapshot.REST.Tables.Waiting":               "bridge_rest_under_way has them",
	"Snapshot.Postgres.Handled":                  "a position is no measurement",
	"Snapshot.Postgres.Confirmed":                "a position is no measurement",
	"Snapshot.Postgres.Since":                    "in /status",
	"Snapshot.Postgres.LagBytes":                 "bridge_source_lag_bytes",
	"Snapshot.Postgres.Lag":                      "bridge_source_lag_seconds",
	"Snapshot.Postgres.Rivals[].PID":             "in /status",
	"Snapshot.Postgres.Reader.PID":               "its name is in the messages about it",
	"Snapshot.Postgres.LastCommit":               "bridge_source_last_transaction_timestamp_seconds",
	"Snapshot.Postgres.Gaps":                     "bridge_source_gaps_total",
	"Snapshot.Postgres.LastError.At":             "in /status",
	"Snapshot.Postgres.Slot.At":                  "in /status",
	"Snapshot.Postgres.ServerVersion":            "in /status",
	"Snapshot.Cluster.LeaderSince":               "in /status",
	"Snapshot.Cluster.Foreign[].Since":           "in /status",
	"Snapshot.Cluster.Differing[].Since":         "in /status",
	"Snapshot.Realtime.Since":                    "in /status",
	"Snapshot.Realtime.Channels[].Since":         "in /status",
	"Snapshot.Realtime.Channels[].Subscribed":    "in /status",
	"Snapshot.Realtime.Channels[].LastChange":    "in /status",
	"Snapshot.Realtime.Channels[].Joins":         "in /status",
	"Snapshot.Realtime.Channels[].Rows":          "in /status",
	"Snapshot.Realtime.Channels[].Evicted":       "in /status",
	"Snapshot.Realtime.Streamed":                 "the sum of its tables",
	"Snapshot.Realtime.Reconciled":               "the sum of its tables",
	"Snapshot.Realtime.LastFrame":                "heartbeats end a dead connection, which is counted",
	"Snapshot.Realtime.Reconcile.WindowInterval": "in /status",
	"Snapshot.Realtime.Reconcile.Requests":       "in /status",
	"Snapshot.Realtime.Reconcile.ClockAhead":     "in /status, logged, and in bridge check",
	"Snapshot.Realtime.Reconcile.LastDuration":   "in /status",
	"Snapshot.Realtime.Reconcile.FailingSince":   "bridge_realtime_reconcile_last_success_timestamp_seconds, and in /readyz",
	"Snapshot.Realtime.Reconcile.LastMissed":     "bridge_realtime_stream_gaps_total, missed, and in /readyz",
	"Snapshot.Pipeline.Mapping.Events{}":         "bridge_events_total counts them where they are published",
	"Snapshot.Pipeline.LastGap.After":            "a position is no measurement",
	"Snapshot.Pipeline.LastGap.Resume":           "a position is no measurement",
	"Snapshot.Hub.Replay.Head.Commit":            "a position is no measurement",
	"Snapshot.Auth.Refused{}":                    "bridge_tokens_refused_total counts them where they are answered",
	"Snapshot.Auth.Unavailable":                  "bridge_tokens_refused_total, unavailable",
	"Snapshot.Auth.Members.Entries":              "in /status",
	"Snapshot.Auth.Keys.Read":                    "in /status",
	"Snapshot.Gateway.Status.State":              "bridge_gateway_state",
	"Snapshot.Gateway.Status.Since":              "in /status",
	"Snapshot.Gateway.Status.Probed":             "in /status",
	"Snapshot.Gateway.Status.HealthySince":       "in /status",
}

// differences are the fields that are shown less another one: what failed is
// part of what was tried.
var differences = map[string][]string{
	"Snapshot.Realtime.Reconcile.Passes":        {"Snapshot.Realtime.Reconcile.Failures"},
	"Snapshot.Pipeline.Mapping.Lookups.Batches": {"Snapshot.Pipeline.Mapping.Lookups.Timeouts", "Snapshot.Pipeline.Mapping.Lookups.Errors"},
	"Snapshot.Auth.Members.Asked":               {"Snapshot.Auth.Members.Failed"},
	"Snapshot.Auth.Keys.Fetches":                {"Snapshot.Auth.Keys.Failures"},
	"Snapshot.Gateway.Probes":                   {"Snapshot.Gateway.ProbesFailed"},
	"Snapshot.Sockets.Sockets":                  {"Snapshot.Hub.Feeds"},
}

// TestEveryCounterIsShown fails for a field that was added to a snapshot and
// to no metric.
func TestEveryCounterIsShown(t *testing.T) {
	s, values := full()
	shown := map[float64]bool{}
	for line := range strings.Lines(ours(scrape(t, func() Snapshot { return s }))) {
		if !strings.HasPrefix(line, "#") {
			fields := strings.Fields(line)
			v, err := strconv.ParseFloat(fields[len(fields)-1], 64)
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			shown[v] = true
		}
	}
	for path, v := range values {
		for _, part := range differences[path] {
			v = max(0, v-values[part])
		}
		if _, known := hidden[path]; !known && !shown[v] {
			t.Errorf("%s is in no metric: add it, or say in hidden why it is not", path)
		}
	}
	for path := range hidden {
		if _, ok := values[path]; !ok {
			t.Errorf("hidden names %s, which does not exist", path)
		}
	}
}

// TestLabelsAreBounded: a counter's map may have any number of keys.
func TestLabelsAreBounded(t *testing.T) {
	s, _ := full()
	s.Pipeline.Mapping.Unmappable = map[string]uint64{}
	for i := range 1000 {
		s.Pipeline.Mapping.Unmappable[fmt.Sprintf("reason%04d", i)] = 1
	}
	var lines []string
	for line := range strings.Lines(scrape(t, func() Snapshot { return s })) {
		if strings.HasPrefix(line, "bridge_mapping_unmappable_total{") {
			lines = append(lines, line)
		}
	}
	if len(lines) != 65 || !slices.Contains(lines, "bridge_mapping_unmappable_total{reason=\"other\"} 936\n") {
		t.Errorf("%d series, want 64 and the rest as other: %q", len(lines), lines[0])
	}
}

// TestNothingNamesAWorkspace checks the labels of the full exposition.
func TestNothingNamesAWorkspace(t *testing.T) {
	s, _ := full()
	label := regexp.MustCompile(`[{,]([a-z_]+)="`)
	allowed := strings.Fields("channel code commit direction event go host kind le limit member mode op outcome reason result role route setting signal state status table transport version way why level")
	for line := range strings.Lines(ours(scrape(t, func() Snapshot { return s }))) {
		for _, m := range label.FindAllStringSubmatch(line, -1) {
			if !slices.Contains(allowed, m[1]) {
				t.Errorf("label %s in %s: is its number of values bounded?", m[1], line)
			}
		}
	}
}

func TestPartsThatDoNotRunShowNothing(t *testing.T) {
	text := ours(scrape(t, func() Snapshot {
		return Snapshot{Source: Health{Kind: "realtime", State: "new to us", LagBytes: -1}}
	}))
	for _, absent := range []string{
		"bridge_postgres_", "bridge_realtime_", "bridge_gateway_", "bridge_source_lag_",
		"bridge_source_last_transaction", "bridge_tls_",
	} {
		if strings.Contains(text, absent) {
			t.Errorf("shows %s without it", absent)
		}
	}
	for _, present := range []string{
		`bridge_source_state{kind="realtime",state="new to us"} 1`, `bridge_source_state{kind="realtime",state="live"} 0`,
		`bridge_disconnects_total{reason="ping_timeout"} 0`, `bridge_refusals_total{reason="forbidden_origin"} 0`, "bridge_ready 0",
	} {
		if !strings.Contains(text, present+"\n") {
			t.Errorf("lacks %s", present)
		}
	}
	if strings.Contains(text, `bridge_disconnects_total{reason="forbidden_origin"}`) {
		t.Error("a refusal's reason stands among the disconnects'")
	}
}

// TestSourceLag: the alerts for a source that is away go by it.
func TestSourceLag(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		health Health
		lag    float64
		known  bool
	}{
		"flows":             {Health{Flowing: true, Lag: 0.25}, 0.25, true},
		"flows by Realtime": {Health{Flowing: true, LagBytes: -1}, 0, false},
		"is away":           {Health{FlowedUntil: now.Add(-time.Minute), Lag: 0.25}, 60, true},
		"Realtime is away":  {Health{FlowedUntil: now.Add(-time.Minute), LagBytes: -1}, 60, true},
	} {
		s := Snapshot{Taken: now, Source: c.health}
		if lag, known := s.sourceLag(); lag != c.lag || known != c.known {
			t.Errorf("%s: %v, known %v; want %v, %v", name, lag, known, c.lag, c.known)
		}
	}
	if _, known := (&Snapshot{Taken: now}).sourceLag(); known {
		t.Error("the lag of a source that never flowed is known")
	}
}

func TestConcurrentScrapes(t *testing.T) {
	var mu sync.Mutex
	taken := 0
	handler := metricsHandler(func() Snapshot {
		mu.Lock()
		defer mu.Unlock()
		taken++
		s, _ := full()
		return s
	}, slog.New(slog.DiscardHandler))
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
			if w.Code != http.StatusOK {
				t.Errorf("status %d: %s", w.Code, w.Body)
			}
		})
	}
	group.Wait()
	if taken != 4 {
		t.Errorf("%d snapshots for 4 scrapes", taken)
	}
}
