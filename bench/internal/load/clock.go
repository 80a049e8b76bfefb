//go:build linux

package load

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"chatbridge/bench/internal/event"
)

// sinceDue is the time from due to now.
func sinceDue(now, due uint64) time.Duration { return time.Duration(int64(now - due)) }

// clock is event.Now without the system call: Go reads the same clock through
// the vDSO.
type clock struct {
	base time.Time
	at   uint64
}

// newClock takes the best of some tries: another thread may have the processor between the
// two readings.
func newClock() clock {
	var best clock
	took := ^uint64(0)
	for range 20 {
		before := event.Now()
		base := time.Now()
		after := event.Now()
		if after-before < took {
			took, best = after-before, clock{base, before + (after-before)/2}
		}
	}
	return best
}

func (c clock) now() uint64 { return c.at + uint64(time.Since(c.base)) }

// since is the time since the clock was made.
func (c clock) since() time.Duration { return time.Since(c.base) }

// pinThread keeps the calling goroutine on its thread, so that CPU time of the
// thread is that of the generator.
func pinThread() (cpu func() time.Duration, unpin func()) {
	runtime.LockOSThread()
	return threadCPU, runtime.UnlockOSThread
}

func threadCPU() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
