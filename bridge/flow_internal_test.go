package bridge

import (
	"context"
	"strings"
	"testing"
	"time"
)

// TestFlowKeepsTheMonotonicTime: without it a step of the clock by two minutes
// would be an absence of two minutes.
func TestFlowKeepsTheMonotonicTime(t *testing.T) {
	var f flow
	ctx, cancel := context.WithCancel(t.Context())
	err := f.watch(ctx, func(time.Time) bool { cancel(); return true })
	if err != nil {
		t.Fatal(err)
	}
	// The clock's reading is no part of the difference then.
	if at := f.until(); !strings.Contains(at.String(), " m=") {
		t.Errorf("%v has no monotonic reading", at)
	}
}
