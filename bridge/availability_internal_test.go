package bridge

import (
	"context"
	"strings"
	"testing"
	"time"
)

// TestAvailabilityKeepsTheMonotonicTime: without it a step of the clock by two minutes
// would be an outage of two minutes.
func TestAvailabilityKeepsTheMonotonicTime(t *testing.T) {
	var a availability
	ctx, cancel := context.WithCancel(t.Context())
	a.poll(ctx, func(time.Time) bool { cancel(); return true })
	// The clock's reading is no part of the difference then.
	if at := a.until(); !strings.Contains(at.String(), " m=") {
		t.Errorf("%v has no monotonic reading", at)
	}
}
