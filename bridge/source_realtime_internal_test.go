package bridge

import (
	"strings"
	"testing"
	"time"

	"chatbridge/source/realtime"
)

// TestRealtimeLosses: a live stream is not all: while reading back fails, or finds what
// the stream has lost, events are missing or late.
func TestRealtimeLosses(t *testing.T) {
	now := time.Now()
	const interval = 30 * time.Second
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for name, c := range map[string]struct {
		reconcile realtime.ReconcileStats
		want      string
	}{
		"all well":                  {realtime.ReconcileStats{}, ""},
		"a failure":                 {realtime.ReconcileStats{FailingSince: ago(interval), Error: "no answer"}, ""},
		"failures for two":          {realtime.ReconcileStats{FailingSince: ago(2*interval + 1), Error: "no answer"}, "no answer"},
		"a success long ago":        {realtime.ReconcileStats{LastSuccess: ago(3 * interval)}, "takes long"},
		"then a failure just now":   {realtime.ReconcileStats{LastSuccess: ago(3 * interval), FailingSince: ago(1), Error: "no answer"}, "takes long"},
		"a success an interval ago": {realtime.ReconcileStats{LastSuccess: ago(interval + time.Second)}, ""},
		"missed a moment ago":       {realtime.ReconcileStats{LastMissed: ago(time.Second)}, "loses"},
		"missed two intervals ago":  {realtime.ReconcileStats{LastMissed: ago(2*interval + 1)}, ""},
		"missed, and failing since": {realtime.ReconcileStats{LastMissed: ago(time.Hour), FailingSince: ago(time.Hour), Error: "no answer"}, "no answer"},
	} {
		c.reconcile.Interval = interval
		got := losing(realtime.Stats{State: realtime.StateLive, Reconcile: c.reconcile}, now)
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
