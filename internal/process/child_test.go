package process_test

import (
	"bufio"
	"errors"
	"io"
	"os/exec"
	"syscall"
	"testing"

	"chatbridge/internal/process"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestKillGroup: the child and what it started end.
func TestKillGroup(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sh", "-c", "sleep 60 & echo started; wait")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c, err := process.Start(cmd, syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	if _, err := r.ReadString('\n'); err != nil || c.Ended() {
		t.Fatalf("ended %v, %v", c.Ended(), err)
	}
	c.KillGroup()
	// Both have the pipe open.
	if _, err := io.Copy(io.Discard, r); err != nil {
		t.Log(err)
	}
	var exit *exec.ExitError
	if err := c.Wait(); !errors.As(err, &exit) || !c.Ended() {
		t.Errorf("ended %v, %v", c.Ended(), err)
	}
	<-c.Done()
}

func TestStartFails(t *testing.T) {
	t.Parallel()
	if _, err := process.Start(exec.Command("/does/not/exist"), syscall.SIGKILL); err == nil {
		t.Error("no error")
	}
}
