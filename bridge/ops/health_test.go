package ops

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestReadiness: load balancers go by it.
func TestReadiness(t *testing.T) {
	now := time.Now()
	const grace = 10 * time.Second
	for name, c := range map[string]struct {
		health Health
		status ReadyStatus
		ready  bool
	}{
		"flows":            {Health{Flowing: true}, "ok", true},
		"flows, and loses": {Health{Flowing: true, Losing: "x"}, "degraded", true},
		"never flowed":     {Health{State: "connecting"}, "unavailable", false},
		"away for little":  {Health{State: "retrying", FlowedUntil: now.Add(-grace + 1)}, "degraded", true},
		"away for long":    {Health{State: "retrying", FlowedUntil: now.Add(-grace)}, "unavailable", false},
		"lacks changes":    {Health{State: "blocked", FlowedUntil: now.Add(-1), NoGrace: true}, "unavailable", false},
		"stands by":        {Health{State: StateStandby}, "standby", false},
		"lost its slot":    {Health{State: StateStandby, FlowedUntil: now.Add(-1)}, "standby", false},
	} {
		if got := ReadinessOf(c.health, grace, now); got.Status != c.status || got.OK() != c.ready {
			t.Errorf("%s: %s, ready %v; want %s, %v", name, got.Status, got.OK(), c.status, c.ready)
		}
	}
}

// TestLossesAreSaid: what may be missing while changes flow is in the reason, for those
// who may know the source's words.
func TestLossesAreSaid(t *testing.T) {
	r := ReadinessOf(Health{Flowing: true, Losing: "rows cannot be read back: host db.example"}, time.Second, time.Now())
	if !strings.Contains(r.Reason, "db.example") {
		t.Errorf("the reason is %q", r.Reason)
	}
	if p := r.Public(); strings.Contains(p.Reason, "db.example") || p.Source.Losing != "" || p.Status != ReadyDegraded {
		t.Errorf("everybody is told %+v, %+v", p, p.Source)
	}
}

// TestReadinessSaysEachOnce: the body of /readyz on the operator's listener has the source's
// reason and its remedy, each in one place.
func TestReadinessSaysEachOnce(t *testing.T) {
	t.Parallel()
	now := time.Now()
	const reason, remedy, losing = "the server refuses: no REPLICATION", "ALTER ROLE crm REPLICATION;", "rows of messages"
	for name, h := range map[string]Health{
		"never flowed":    {State: StateBlocked, Reason: reason + "; " + remedy, Remedy: remedy},
		"reason alone":    {State: StateBlocked, Reason: reason, Remedy: remedy},
		"flowed":          {State: StateRetrying, Reason: reason, Remedy: remedy, FlowedUntil: now},
		"may lose":        {State: StateStreaming, Flowing: true, Losing: losing},
		"says its remedy": {State: StateBlocked, Reason: reason + ": " + remedy, Remedy: remedy, FlowedUntil: now.Add(-time.Hour)},
	} {
		mux := http.NewServeMux()
		Probes(mux, func() Readiness { return ReadinessOf(h, time.Minute, now) })
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", nil))
		status, err := json.Marshal((&Snapshot{Source: h, Ready: ReadinessOf(h, time.Minute, now)}).status())
		if err != nil {
			t.Fatal(err)
		}
		for what, body := range map[string]string{"/readyz": w.Body.String(), "/status": string(status)} {
			for _, text := range []string{reason, remedy, losing} {
				want := 1
				if h.Losing == "" && text == losing || h.Losing != "" && text != losing {
					want = 0
				}
				if n := strings.Count(body, text); n != want {
					t.Errorf("%s, %s: %q is there %d times: %s", name, what, text, n, body)
				}
			}
		}
	}
}
