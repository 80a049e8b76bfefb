package opstest_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestRealSystemd runs the units as they are under systemd itself, which runs
// as PID 1 of namespaces of its own: start, sandbox, credentials, socket,
// reload, secrets changed by a reload, restart, a hang that the watchdog ends, stop. It needs root on a
// Linux that lets it make them, and is asked for by BRIDGE_TEST_SYSTEMD=1.
func TestRealSystemd(t *testing.T) {
	if os.Getenv("BRIDGE_TEST_SYSTEMD") == "" {
		t.Skip("set BRIDGE_TEST_SYSTEMD=1 to run a systemd in namespaces (as root)")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil { // the service's user goes through it
		t.Fatal(err)
	}
	copyFile(t, binary(t), filepath.Join(dir, "bridge"), 0o755)
	for _, name := range []string{"bridge.service", "bridge@.service", "bridge.socket", "bridge.yaml"} {
		copyFile(t, root("configs", name), filepath.Join(dir, name), 0o644)
	}
	copyFile(t, filepath.Join("testdata", "systemd", "inside.sh"), filepath.Join(dir, "inside.sh"), 0o755)
	stage, err := filepath.Abs(filepath.Join("testdata", "systemd", "stage.sh"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	// Killing unshare kills its PID 1, and with it all that runs there.
	cmd := exec.CommandContext(ctx, "unshare", "--mount", "--pid", "--fork", "--uts", "--ipc", "--net", "--cgroup",
		"--kill-child=KILL", "--propagation", "private", "bash", stage, dir)
	var console bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &console, &console, time.Second
	_ = cmd.Run() // PID 1 ends by powering off
	result, err := os.ReadFile(filepath.Join(dir, "result"))
	if err != nil {
		t.Fatalf("%v: %s", err, console.String())
	}
	log, _ := os.ReadFile(filepath.Join(dir, "bridge.log"))
	problems, _ := os.ReadFile(filepath.Join(dir, "errors"))
	want := regexp.MustCompile(`^started
Uid: ([1-9]\d+) .*
CapEff: 0+
NoNewPrivs: 1
Seccomp: 2
ok: the process serves
StatusText=.*; 0 clients \(0 websocket, 0 polling\).*
reloaded
token_signature
secret changed
connected
token_signature
empty secret refused
missing secret refused
connected
connected
the client that stayed: 1, connected
700 /run/chatbridge
400 /run/chatbridge/auth\.chatengine_secret
400 /run/chatbridge/source\.postgres\.url
reload refused
ok: the process serves
restart refused
socket active
1
restarted
NRestarts=1
ok: the process serves
stopped
(?:Result=success\nExecMainStatus=0|ExecMainStatus=0\nResult=success)
no copy is left
instance started
instance reloaded
empty secret of the instance refused
ok    config\.valid
/run/chatbridge-8081/auth\.chatengine_secret
/run/chatbridge-8081/cluster\.redis_url
/run/chatbridge-8081/source\.postgres\.url
$`)
	if !want.Match(result) {
		t.Errorf("inside:\n%s\nerrors:\n%s\nlog:\n%.9000s", result, problems, log)
	}
	for _, reason := range []string{"is empty (file /etc/chatbridge/chatengine_secret", "no such file or directory (file /etc/chatbridge/chatengine_secret", "is empty (file /etc/chatbridge/redis_url"} {
		if !strings.Contains(string(log), reason) {
			t.Errorf("a reload did not say: %s", reason)
		}
	}
	if text := string(log); !strings.Contains(text, "took over a socket from systemd") || !strings.Contains(text, "SIGABRT: abort") ||
		strings.Contains(text, "could not tell systemd") {
		t.Errorf("the log lacks the socket or the watchdog's stack trace:\n%.3000s", text)
	}
}
