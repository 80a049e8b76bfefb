//go:build linux

package proc_test

import (
	"os"
	"testing"
	"time"

	"chatbridge/bench/internal/proc"
)

func TestReadsThisProcess(t *testing.T) {
	before, err := proc.CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); time.Since(start) < 10*time.Second; { // until it shows, which takes 10 ms of CPU time
		now, err := proc.CPU(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if now > before {
			break
		}
	}
	if now, _ := proc.CPU(os.Getpid()); now <= before {
		t.Errorf("CPU time stays at %v", now)
	}
	if _, err := proc.Waited(os.Getpid()); err != nil {
		t.Error(err)
	}
	held, err := proc.Memory(os.Getpid(), "VmRSS")
	if err != nil {
		t.Fatal(err)
	}
	if most, err := proc.Memory(os.Getpid(), "VmHWM"); err != nil || held < 1000 || most < held-held/10 {
		t.Errorf("holds %d kB, most %d kB, %v", held, most, err)
	}
}

func TestAProcessThatIsNot(t *testing.T) {
	const pid = 1 << 30
	if _, err := proc.CPU(pid); err == nil {
		t.Error("CPU time of no process")
	}
	if _, err := proc.Waited(pid); err == nil {
		t.Error("waiting time of no process")
	}
	if _, err := proc.Memory(os.Getpid(), "VmNone"); err == nil {
		t.Error("a figure that there is not")
	}
}

func TestPeakCountsAnew(t *testing.T) {
	if err := proc.ResetPeak(os.Getpid()); err != nil {
		t.Fatal(err)
	}
	if most, err := proc.Memory(os.Getpid(), "VmHWM"); err != nil || most < 1000 {
		t.Errorf("peak of %d kB, %v", most, err)
	}
}

func TestKernelCountsSockets(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may read /proc/slabinfo")
	}
	if kb, err := proc.Kernel(); err != nil || kb < 100 {
		t.Errorf("the kernel has %d kB for sockets, %v", kb, err)
	}
}
