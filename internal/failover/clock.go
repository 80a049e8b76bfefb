package failover

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Clock is the clock of the day of a program, which can be stepped while all others
// keep theirs. Not even root may step the machine's own for one program only, so a bridge
// is built with a time.Now, and Redis is given a clock_gettime, that adds what a file
// says. Timers and durations do not change, as they do not where a clock is stepped.
type Clock struct {
	t    testing.TB
	file string
}

// clockVariable names the file to the program.
const clockVariable = "CLOCK_STEP"

// NewClock returns one that is right.
func NewClock(t testing.TB) *Clock {
	t.Helper()
	c := &Clock{t: t, file: filepath.Join(t.TempDir(), "step")}
	writeFile(t, c.file, strings.Repeat("\x00", 8))
	return c
}

// Set sets it to the right time and that much.
func (c *Clock) Set(off time.Duration) {
	c.t.Helper()
	f, err := os.OpenFile(c.file, os.O_WRONLY, 0) // in place: it is mapped
	if err == nil {
		_, err = f.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(off/time.Second)), 0)
		f.Close()
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *Clock) environment() string { return clockVariable + "=" + c.file }

// Preload is the environment by which a program that is linked to the C library goes
// by the clock. It needs a C compiler.
func (c *Clock) Preload() []string {
	c.t.Helper()
	library := filepath.Join(c.t.TempDir(), "clock.so")
	out, err := exec.Command("cc", "-shared", "-fPIC", "-O2", "-o", library, filepath.Join(clockDir(), "clock.c")).CombinedOutput()
	if err != nil {
		c.t.Fatalf("compile the clock: %v; install a C compiler\n%s", err, out)
	}
	return []string{c.environment(), "LD_PRELOAD=" + library}
}

func clockDir() string { return filepath.Join(Root(), "internal", "failover", "testdata", "clock") }

// overlay is a file for `go build -overlay` in dir, with which time.Now goes by the
// clock.
func overlay(dir string) (string, error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOROOT: %w", err)
	}
	in := func(name string) string { return filepath.Join(strings.TrimSpace(string(root)), "src", "time", name) }
	text, err := os.ReadFile(in("time.go"))
	if err != nil {
		return "", err
	}
	const reads = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	if !strings.Contains(string(text), reads) {
		return "", fmt.Errorf("time.Now of this version of Go is another one: bring internal/failover/clock.go up to it")
	}
	stepped := filepath.Join(dir, "time.go")
	if err := os.WriteFile(stepped, []byte(strings.Replace(string(text), reads, reads+"\tsec += clockStep()\n", 1)), 0o644); err != nil {
		return "", err
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {
		in("time.go"): stepped, in("step.go"): filepath.Join(clockDir(), "step.go.txt"),
	}})
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, list, 0o644)
}
