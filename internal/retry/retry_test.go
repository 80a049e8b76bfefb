package retry_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"chatbridge/internal/retry"
)

// within reports whether got is d spread by a quarter at most.
func within(got, d time.Duration) bool { return got >= d-d/4 && got <= d+d/4 }

func TestBackoffDoublesUpToMax(t *testing.T) {
	b := retry.Backoff{Min: time.Second, Max: 5 * time.Second}
	for range 2 {
		for i, want := range []time.Duration{1, 2, 4, 5, 5} {
			if got := b.Next(); !within(got, want*time.Second) {
				t.Errorf("pause %d is %v, want about %v", i, got, want*time.Second)
			}
		}
		b.Reset()
	}
}

func TestJitterSpreads(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 100 {
		got := retry.Jitter(time.Second)
		if !within(got, time.Second) {
			t.Fatalf("jitter of 1s is %v", got)
		}
		seen[got] = true
	}
	if len(seen) < 50 {
		t.Errorf("%d different pauses of 100", len(seen))
	}
	for _, d := range []time.Duration{0, -time.Second} {
		if got := retry.Jitter(d); got != 0 {
			t.Errorf("jitter of %v is %v", d, got)
		}
	}
}

func TestSleepEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		if err := retry.Sleep(t.Context(), time.Minute); err != nil || time.Since(start) != time.Minute {
			t.Errorf("slept %v, error %v", time.Since(start), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		if err := retry.Sleep(ctx, time.Minute); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("slept %v, error %v", time.Since(start), err)
		}
	})
}
