//go:build linux

package peer

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ServerCore is where the servers run, GeneratorCore where the load generator does.
const (
	ServerCore    = "0"
	GeneratorCore = 1
)

// PinSelf keeps this process on one core. Affinity belongs to a thread and is
// inherited, and the Go runtime has threads already; so it starts itself again from a
// thread that is pinned.
func PinSelf(core int) error {
	if runtime.NumCPU() == 1 {
		var have unix.CPUSet
		if err := unix.SchedGetaffinity(0, &have); err == nil && have.IsSet(core) {
			return nil
		}
	}
	runtime.LockOSThread()
	var want unix.CPUSet
	want.Set(core)
	if err := unix.SchedSetaffinity(0, &want); err != nil {
		return fmt.Errorf("pin to core %d: %w (two cores are needed: one for the server, one for the load)", core, err)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own executable: %w", err)
	}
	return syscall.Exec(self, os.Args, os.Environ())
}

// Move moves this process to some cores, as taskset names them, until it is moved back.
func Move(cores string) (back func(), err error) {
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return nil, fmt.Errorf("read own cores: %w", err)
	}
	var list []string
	for core := range 1024 {
		if before.IsSet(core) {
			list = append(list, strconv.Itoa(core))
		}
	}
	return func() { _ = move(strings.Join(list, ",")) }, move(cores)
}

func move(cores string) error {
	cmd := exec.Command("taskset", "-a", "-p", "-c", cores, strconv.Itoa(os.Getpid()))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("move to cores %s: %w\n%s", cores, err, out)
	}
	return nil
}
