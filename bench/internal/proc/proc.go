//go:build linux

// Package proc reads what a process has used, from /proc.
package proc

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// ticks is the unit of CPU time in /proc: USER_HZ, 100 on every Linux.
const ticks = 100

// CPU is the CPU time that a process has used, to 10 ms.
func CPU(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("read CPU time: %w", err)
	}
	// The second field is a name in parentheses that may hold anything.
	text := string(b)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("read CPU time: /proc/%d/stat has %d fields after the name", pid, len(fields))
	}
	var sum time.Duration
	for _, f := range fields[11:13] { // utime and stime
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read CPU time: %w", err)
		}
		sum += time.Duration(n) * time.Second / ticks
	}
	return sum, nil
}

// Waited is how long a process's threads were ready to run while others had
// the core: what else the machine did, as far as it hurt. Threads that have
// ended are not in it.
func Waited(pid int) (time.Duration, error) {
	dir := fmt.Sprintf("/proc/%d/task", pid)
	threads, err := os.ReadDir(dir)
	if err != nil {
		return 0, fmt.Errorf("read waiting time: %w", err)
	}
	var sum time.Duration
	for _, thread := range threads {
		b, err := os.ReadFile(dir + "/" + thread.Name() + "/schedstat")
		if err != nil {
			continue // it has ended, or the kernel keeps no such statistics
		}
		var ran, waited int64
		if _, err := fmt.Sscan(string(b), &ran, &waited); err != nil {
			return 0, fmt.Errorf("read waiting time: schedstat: %w", err)
		}
		sum += time.Duration(waited)
	}
	return sum, nil
}

// Memory is a figure of /proc/PID/status in kB: VmRSS, what the process holds,
// or VmHWM, the most that it has held. Socket buffers are the kernel's and not
// in it.
func Memory(pid int, figure string) (int, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", figure, err)
	}
	_, rest, _ := strings.Cut(string(b), "\n"+figure+":")
	var kb int
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		return 0, fmt.Errorf("read %s: %w", figure, err)
	}
	return kb, nil
}

// ResetPeak makes VmHWM count from now on.
func ResetPeak(pid int) error {
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0o200); err != nil {
		return fmt.Errorf("reset peak of memory: %w", err)
	}
	return nil
}
