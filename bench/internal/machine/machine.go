//go:build linux

// Package machine says where and when figures were taken, and what else the machine
// did.
package machine

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// Moment is when a run began.
type Moment struct {
	at   time.Time
	load string
}

// Now begins a run.
func Now() Moment { return Moment{time.Now(), loadAverage()} }

// String is a sentence about the run that ends now.
func (m Moment) String() string {
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("%s, Linux %s, %s, %d cores, taken in %s. Load average before: %s, after: %s.",
		m.at.UTC().Format("2006-01-02 15:04 UTC"), strings.TrimSpace(string(kernel)), runtime.Version(), cores(),
		time.Since(m.at).Round(time.Second), m.load, loadAverage())
}

// cores are those of the machine: runtime.NumCPU counts those that this process may
// use.
func cores() int {
	b, _ := os.ReadFile("/proc/cpuinfo")
	return strings.Count("\n"+string(b), "\nprocessor")
}

func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(b))[:3], " ")
}
