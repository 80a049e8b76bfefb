package failover

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"chatbridge/internal/process"
)

// startProgram runs a program until the test ends.
func startProgram(t testing.TB, dir, program string, args ...string) {
	t.Helper()
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir, "HOME="+dir)
	child, err := process.Start(cmd, syscall.SIGKILL)
	if err != nil {
		log.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		child.KillGroup()
		_ = child.Wait()
		log.Close()
		if text, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(program), tail(text, 4000))
		}
	})
}

// tail is the end of a log.
func tail(text []byte, n int) []byte {
	if len(text) > n {
		text = text[len(text)-n:]
	}
	return text
}
