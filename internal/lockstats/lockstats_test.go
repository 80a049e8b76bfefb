package lockstats_test

import (
	"testing"
	"testing/synctest"
	"time"

	"chatbridge/internal/lockstats"
)

func TestHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m lockstats.Mutex
		hold := func(d time.Duration) {
			m.Lock()
			time.Sleep(d)
			m.Unlock()
		}
		is := func(longest, total time.Duration) {
			t.Helper()
			if got := (lockstats.Held{Longest: longest, Total: total}); m.Held() != got {
				t.Errorf("held %v, want %v", m.Held(), got)
			}
		}
		is(0, 0)
		hold(3 * time.Millisecond)
		hold(time.Millisecond)
		is(3*time.Millisecond, 4*time.Millisecond)
		time.Sleep(70 * time.Second)
		is(3*time.Millisecond, 4*time.Millisecond) // of the minute before
		hold(2 * time.Millisecond)
		time.Sleep(61 * time.Second)
		is(2*time.Millisecond, 6*time.Millisecond)
		time.Sleep(time.Hour) // nobody asked, and nobody had it
		is(0, 6*time.Millisecond)
	})
}
