// Package baseline is for tests of what an attack leaves behind: it compares the
// goroutines, descriptors and heap of the process before and after.
//
// The server is started, and has served a client, before the baseline is taken: what
// it starts once is no remainder. It still runs when the two are compared, so that
// what is found is what the server keeps, and not what its end would have freed. All
// of the process is compared, so such a test runs beside no other.
package baseline

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const (
	// Limit is how long Await waits.
	Limit = 30 * time.Second
	// Margin is by how many bytes the heap may have grown: counters, maps that keep
	// their buckets, and what the runtime has of its own.
	Margin = 1 << 20

	pause = 2 * time.Millisecond // between two polls
)

// Baseline is what the process had when it was taken. It is not safe for concurrent
// use.
type Baseline struct {
	// Margin is by how many bytes the heap may have grown; Take sets it to the
	// package's Margin.
	Margin int64

	goroutines  goleak.Option
	descriptors []string
	heap        int64
}

// Take waits until goroutines that are about to end have ended, and takes a baseline.
func Take(t testing.TB) *Baseline {
	t.Helper()
	if err := startPoller(); err != nil {
		t.Fatal(err)
	}
	closeIdle()
	for last, same := 0, 0; same < 3; time.Sleep(pause) {
		if n := runtime.NumGoroutine(); n == last {
			same++
		} else {
			last, same = n, 0
		}
	}
	return &Baseline{Margin: Margin, heap: heap(), descriptors: descriptors(), goroutines: goleak.IgnoreCurrent()}
}

// Await waits until nothing is left of what has come since the baseline, and ends the
// test if that is not within Limit.
func (b *Baseline) Await(t testing.TB) {
	t.Helper()
	if err := b.Returned(Limit); err != nil {
		t.Fatalf("not back at the baseline after %v: %v", Limit, err)
	}
}

// Returned waits for a time until nothing is left of what has come since the baseline;
// the error says what is. Descriptors are counted where there is /proc.
func (b *Baseline) Returned(within time.Duration) error {
	// The collector closes sockets that nobody has any more: those are left, too.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	closeIdle()
	for deadline := time.Now().Add(within); ; time.Sleep(pause) {
		// In the order of what each costs to read.
		err := b.descriptorsLeft()
		if err == nil {
			err = goleak.Find(b.goroutines)
		}
		if err == nil {
			err = b.heapLeft()
		}
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

func (b *Baseline) descriptorsLeft() error {
	now := descriptors()
	more := len(now) - len(b.descriptors)
	if more <= 0 {
		return nil
	}
	before := slices.Clone(b.descriptors)
	left := slices.DeleteFunc(now, func(target string) bool {
		i := slices.Index(before, target)
		if i >= 0 {
			before = slices.Delete(before, i, i+1)
		}
		return i >= 0
	})
	return fmt.Errorf("%d descriptors more are open, among these: %s", more, strings.Join(left, ", "))
}

func (b *Baseline) heapLeft() error {
	if more := heap() - b.heap; more > b.Margin {
		return fmt.Errorf("the heap has %d kB more, of which %d are expected at most", more>>10, b.Margin>>10)
	}
	return nil
}

// heap is what is in use once all garbage is gone.
func heap() int64 {
	runtime.GC()
	runtime.GC() // pools are emptied by the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// descriptors is what each open descriptor leads to: a file, socket:[number], and so on.
func descriptors() []string {
	const dir = "/proc/self/fd"
	open, err := os.ReadDir(dir)
	if err != nil {
		return nil // not Linux
	}
	var targets []string
	for _, fd := range open {
		if target, err := os.Readlink(filepath.Join(dir, fd.Name())); err == nil { // not the one that read the directory
			targets = append(targets, target)
		}
	}
	return targets
}

// startPoller has the runtime open the descriptors that it needs for sockets, which it
// keeps.
func startPoller() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	return l.Close()
}

// closeIdle closes the connections that http.DefaultClient keeps for later.
func closeIdle() { http.DefaultClient.CloseIdleConnections() }
