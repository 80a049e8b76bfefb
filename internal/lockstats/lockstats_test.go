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
		is := func(longest, total time.Duration, times uint64) {
			t.Helper()
			if want := (lockstats.Held{Longest: longest, Total: total, Times: times}); m.Held() != want {
				t.Errorf("held %v, want %v", m.Held(), want)
			}
		}
		is(0, 0, 0)
		hold(3 * time.Millisecond)
		hold(time.Millisecond)
		is(3*time.Millisecond, 4*time.Millisecond, 2)
		time.Sleep(70 * time.Second)
		is(3*time.Millisecond, 4*time.Millisecond, 2) // of the minute before
		hold(2 * time.Millisecond)
		time.Sleep(61 * time.Second)
		is(2*time.Millisecond, 6*time.Millisecond, 3)
		time.Sleep(time.Hour) // nobody asked, and nobody had it
		is(0, 6*time.Millisecond, 3)
	})
}
