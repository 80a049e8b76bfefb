package clienttest_test

import (
	"context"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"chatbridge/internal/npm"
)

// chromium finds the browser, or installs it, once for all tests.
var chromium = sync.OnceValues(func() (path, problem string) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, ""
		}
	}
	apt, err := exec.LookPath("apt-get")
	if err != nil || os.Getuid() != 0 {
		return "", "no Chromium: install the package chromium (apt-get install chromium), or run the test as root and it does so"
	}
	cmd := exec.Command(apt, "install", "-y", "--no-install-recommends", "chromium")
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", "no Chromium, and apt-get install chromium failed (apt-get update first): " + string(out)
	}
	path, err = exec.LookPath("chromium")
	if err != nil {
		return "", "no Chromium, though apt-get installed it: " + err.Error()
	}
	return path, ""
})

// browser is the one browser of the test binary: starting one takes seconds.
// Each client has a profile of its own in it.
type browser struct {
	once     sync.Once
	process  *npm.Process
	endpoint string
	err      error
}

var shared browser // started by the first test that needs it, stopped by TestMain

// start starts it, and gives the address to connect to.
func (b *browser) start(path string) (endpoint string, err error) {
	b.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*npm.AwaitTimeout)
		defer cancel()
		b.process, b.err = npm.Start(context.Background(), npm.Options{Script: packages + "/chromium.mjs", Args: []string{path}})
		if b.err != nil {
			return
		}
		var ready struct{ Endpoint string }
		b.err = b.process.NextEvent(ctx, "ready", &ready)
		b.endpoint = ready.Endpoint
	})
	return b.endpoint, b.err
}

// stop ends it, if it was started: with time to remove its profile, if it
// takes it.
func (b *browser) stop() {
	if b.process == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	b.process.CloseInput()
	_ = b.process.Wait(ctx)
	b.process.Stop()
}

// needChromium gives where to connect to the browser.
func needChromium(t *testing.T) (endpoint string) {
	t.Helper()
	path, problem := chromium()
	switch {
	case problem == "":
	case os.Getenv("CI") == "":
		t.Skip(problem)
	default:
		t.Fatal(problem)
	}
	endpoint, err := shared.start(path)
	if err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	return endpoint
}
