package bridge

import (
	"testing"
	"time"
)

// TestReadiness: load balancers go by it.
func TestReadiness(t *testing.T) {
	now := time.Now()
	const grace = 10 * time.Second
	for name, c := range map[string]struct {
		health SourceHealth
		status string
		ready  bool
	}{
		"flows":           {SourceHealth{Flowing: true}, "ok", true},
		"never flowed":    {SourceHealth{State: "connecting"}, "unavailable", false},
		"away for little": {SourceHealth{State: "retrying", FlowedUntil: now.Add(-grace + 1)}, "degraded", true},
		"away for long":   {SourceHealth{State: "retrying", FlowedUntil: now.Add(-grace)}, "unavailable", false},
		"stands by":       {SourceHealth{State: stateStandby}, "standby", false},
		"lost its slot":   {SourceHealth{State: stateStandby, FlowedUntil: now.Add(-1)}, "standby", false},
	} {
		got, ready := judge(c.health, grace, now)
		if got.Status != c.status || ready != c.ready {
			t.Errorf("%s: %s, ready %v; want %s, %v", name, got.Status, ready, c.status, c.ready)
		}
	}
}
