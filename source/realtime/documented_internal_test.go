package realtime

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// TestDocumentedTimes: the numbers that docs/sources.md gives operators are the defaults.
func TestDocumentedTimes(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/sources.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := strings.Join(strings.Fields(string(text)), " ")
	var o Options
	o.setDefaults()
	seconds := func(d time.Duration) string { return fmt.Sprintf("%g s", d.Seconds()) }
	minutes := func(d time.Duration) string { return fmt.Sprintf("%g min", d.Minutes()) }
	thousands := func(n int) string { return fmt.Sprintf("%d,%03d", n/1000, n%1000) }
	for _, sentence := range []string{
		"every " + seconds(o.ReconcileInterval) + " (" + seconds(o.DegradedInterval) + " while a channel does not deliver)",
		"every " + minutes(o.WindowInterval) + " | the whole window",
		"streamed changes wait for it, at most " + seconds(o.Timing.Hold),
		"at most " + seconds(o.Timing.Hold) + ", and no more than " + thousands(o.QueueChanges) + " changes",
		"A difference gets " + seconds(o.Timing.Grace) + " to arrive by the stream",
		"| " + seconds(o.ReconcileInterval) + " and the " + seconds(o.Timing.Grace) + " of grace |",
		"for about " + seconds(o.ReconcileInterval+o.Timing.Grace) + ", was published before",
		"| the same | " + minutes(o.WindowInterval) + "; at once after a noticed gap |",
		"while Realtime is down | | " + seconds(o.DegradedInterval) + " |",
		fmt.Sprintf("it is tried again every %g minutes", o.WindowInterval.Minutes()),
		fmt.Sprintf("the window is `source.realtime.window`, %g h by default", o.Window.Hours()),
		fmt.Sprintf("pages of %d, and whole rows", o.PageSize),
	} {
		if !strings.Contains(strings.ToLower(doc), strings.ToLower(sentence)) {
			t.Errorf("docs/sources.md does not say %q", sentence)
		}
	}
	if o.RecentWindow != time.Hour || !strings.Contains(doc, "rows inserted or updated in the last hour") {
		t.Error("docs/sources.md does not say what is recent")
	}
	if o.Timing.Refused != time.Minute || !strings.Contains(doc, "the bridge asks again every minute") {
		t.Error("docs/sources.md does not say when a refused channel is tried again")
	}
}
