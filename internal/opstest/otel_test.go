package opstest_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	spanpb "go.opentelemetry.io/proto/otlp/trace/v1"

	"chatbridge/internal/collector"
	"chatbridge/internal/schemas"
	"chatbridge/internal/throwaway/pgtest"
)

// TestOpenTelemetry has a bridge send to a collector that is away at first: nobody notices
// but the operator. Then it takes metrics, and the trace of a message from its commit to its
// client, without a word of it.
func TestOpenTelemetry(t *testing.T) {
	db := pgtest.DB(t, schemas.CRM)
	public, admin := freeAddress(t), freeAddress(t)
	c := collector.Start(t)
	c.Refuse(true)
	file := filepath.Join(t.TempDir(), "bridge.yaml")
	configure := func(endpoint string) {
		t.Helper()
		if err := os.WriteFile(file, []byte("otel: {endpoint: \""+endpoint+"\"}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	configure("")
	p := start(t, setup{
		args: []string{"serve", "--config", file, "--listen", public, "--admin.listen", admin},
		env: []string{
			"DATABASE_URL=" + db, "CHATENGINE_JWT_SECRET=secret",
			"OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20a-token", "OTEL_METRIC_EXPORT_INTERVAL=100",
		},
	})
	get(t, "http://"+public+"/readyz", 200)
	received := make(chan struct{}, 1)
	join(t, public, signed(t, "secret"), func(name string) {
		if name == "message" {
			select {
			case received <- struct{}{}:
			default:
			}
		}
	})
	if text := get(t, "http://"+admin+"/metrics", 200); strings.Contains(text, "bridge_otel_") {
		t.Error("metrics of what is not set")
	}

	// Turned on by a reload; the collector refuses.
	configure(c.URL)
	p.signal(syscall.SIGHUP)
	p.line("the_collector_does_not_take_what_is_sent", 1)
	insertMessages(t, db, 1)
	wait(t, received, "the message")
	var status struct {
		OTel struct {
			Endpoint string
			Metrics  struct {
				Failed int
				Error  string
			}
		}
	}
	if err := json.Unmarshal([]byte(get(t, "http://"+admin+"/status", 200)), &status); err != nil {
		t.Fatal(err)
	}
	if o := status.OTel; o.Endpoint != c.URL || o.Metrics.Failed == 0 || !strings.Contains(o.Metrics.Error, "not now") {
		t.Errorf("/status says %+v", o)
	}
	c.Refuse(false)
	p.line("the_collector_takes_what_is_sent_again", 1)

	// One transaction a second is traced in the long run: not each message is.
	for deadline := time.Now().Add(waitLimit); len(messageWritten(c.Taken())) == 0; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no trace of a message")
		}
		insertMessages(t, db, 1)
	}
	taken := c.Await("metrics", func(taken *collector.Taken) bool { return taken.Metric("bridge_events_total") != nil })
	checkTrace(t, taken)
	for _, h := range taken.Headers {
		if h.Get("Authorization") != "Bearer a-token" {
			t.Errorf("headers %v", h)
		}
	}
	if h := taken.Metric("bridge_commit_to_publish_seconds").GetExponentialHistogram(); h == nil || h.DataPoints[0].Count == 0 {
		t.Errorf("no histogram with exponential buckets: %v", h)
	}
	if s := taken.Metric("bridge_events_total").GetSum(); !s.GetIsMonotonic() || len(s.GetDataPoints()) != 4 {
		t.Errorf("events: %v", s)
	}
	if !strings.Contains(taken.Resource.String(), `"service.name"`) || !strings.Contains(taken.Resource.String(), `"v1.2.3"`) {
		t.Errorf("resource %v", taken.Resource)
	}
	for _, never := range []string{workspace, "user-1", "content of a message", "+5511999999999"} {
		if bytes.Contains(taken.Raw, []byte(never)) {
			t.Errorf("%q was sent to the collector", never)
		}
	}

	// Turned off by a reload: no request after the last words.
	configure("")
	p.signal(syscall.SIGHUP)
	p.line("reloaded_the_configuration", 2)
	if text := get(t, "http://"+admin+"/metrics", 200); strings.Contains(text, "bridge_otel_") {
		t.Error("metrics of what was turned off")
	}
	p.stop()
}

// messageWritten returns the spans named write below one named message.
func messageWritten(taken *collector.Taken) (found []*spanpb.Span) {
	for _, message := range taken.Spans {
		for _, s := range taken.Spans {
			if message.Name == "message" && s.Name == "write" && bytes.Equal(s.ParentSpanId, message.SpanId) {
				found = append(found, s)
			}
		}
	}
	return found
}

// checkTrace: the trace of a message is whole, its spans follow each other, and each has its
// parent.
func checkTrace(t *testing.T, taken *collector.Taken) {
	t.Helper()
	write := messageWritten(taken)[0]
	byID, of := map[string]*spanpb.Span{}, map[string]*spanpb.Span{}
	for _, s := range taken.Spans {
		if bytes.Equal(s.TraceId, write.TraceId) {
			byID[string(s.SpanId)] = s
			if bytes.Equal(s.ParentSpanId, write.ParentSpanId) || s.Name == "transaction" || s.Name == "receive" {
				of[s.Name] = s
			}
			if s.EndTimeUnixNano < s.StartTimeUnixNano {
				t.Errorf("%s ends before it begins", s.Name)
			}
		}
	}
	for _, name := range []string{"transaction", "receive", "map", "log"} {
		if of[name] == nil {
			t.Fatalf("no span %s in %v", name, byID)
		}
	}
	root := of["transaction"]
	for _, s := range byID {
		if parent := byID[string(s.ParentSpanId)]; s != root && (parent == nil || s.StartTimeUnixNano < parent.StartTimeUnixNano || s.EndTimeUnixNano > parent.EndTimeUnixNano) {
			t.Errorf("%v is not within its parent %v", s, parent)
		}
	}
	if len(write.Events) != 1 || write.Events[0].Name != "first client" || !regexp.MustCompile(`"bridge.clients_written"[^}]*1`).MatchString(write.String()) {
		t.Errorf("write: %v", write)
	}
	times := []uint64{
		root.StartTimeUnixNano, of["receive"].EndTimeUnixNano, of["map"].EndTimeUnixNano, of["log"].EndTimeUnixNano,
		write.EndTimeUnixNano, root.EndTimeUnixNano,
	}
	if !slices.IsSorted(times) {
		t.Errorf("commit, received, mapped, logged, written, end: %v", times)
	}
}
