package failover_test

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"chatbridge/internal/failover"
	"chatbridge/internal/throwaway/redistest"
)

// TestRedisGoesByAClock: a server's clock of the day is stepped, there and back.
func TestRedisGoesByAClock(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("cc"); err != nil && os.Getenv("CI") == "" {
		t.Skip("no C compiler; scripts/prepare gcc installs it")
	}
	clock := failover.NewClock(t)
	client := redistest.StartWith(t, clock.Preload()).Client()
	for _, off := range []time.Duration{0, time.Hour, -time.Hour, 0} {
		clock.Set(off)
		now, err := client.Time(t.Context()).Result()
		if is := time.Until(now); err != nil || (is-off).Abs() > time.Minute {
			t.Errorf("off by %v, want %v: %v", is, off, err)
		}
	}
}

// TestTimeNowCanBeStepped: this version of Go has the time.Now that a bridge with a clock
// is built with another one of.
func TestTimeNowCanBeStepped(t *testing.T) {
	t.Parallel()
	if err := failover.Overlay(t.TempDir()); err != nil {
		t.Fatal(err)
	}
}
