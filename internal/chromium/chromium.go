// Package chromium gives tests a headless Chromium, steered by chromedp: one for the test
// binary, with a profile for each test. Where none is installed it installs it, as root;
// without one tests are skipped, and fail with CI set.
//
// Lifecycle: the first [Need] starts it; TestMain calls [Stop] after the tests. Both may be
// called from any goroutine, Stop when no test runs any more.
//
// The package is test support. Nothing that ships imports it.
package chromium

import (
	"context"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// findChromium finds the browser, or installs it, once for all tests.
var findChromium = sync.OnceValues(func() (path, problem string) {
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

// browserStopTime bounds the browser's end, which removes its profile.
const browserStopTime = 10 * time.Second

// browser is the one browser of the test binary: starting one takes seconds.
// Each client has a profile of its own in it.
type browser struct {
	once sync.Once
	ctx  context.Context // chromedp's handle of it
	end  context.CancelFunc
	err  error
}

var shared browser // started by the first test that needs it

// Stop ends the browser, if a test started it.
func Stop() { shared.stop() }

// start starts it, and gives the context to open tabs with.
func (b *browser) start(path string) (context.Context, error) {
	b.once.Do(func() {
		options := append(chromedp.DefaultExecAllocatorOptions[:],
			chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
			chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
			// The tests' servers have certificates of their own making.
			chromedp.IgnoreCertErrors)
		allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
		b.end = end
		b.ctx, _ = chromedp.NewContext(allocator) // ended with its parent
		b.err = chromedp.Do(b.ctx)
	})
	return b.ctx, b.err
}

// stop ends it, if it was started: with time to remove its profile, if it
// takes it.
func (b *browser) stop() {
	if b.ctx == nil {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, browserStopTime)
	defer cancel()
	_ = chromedp.Cancel(ctx)
	b.end()
}

// Need gives the context to open tabs with: chromedp.NewContext of it, with
// chromedp.WithNewBrowserContext for a profile of one's own.
func Need(t *testing.T) context.Context {
	t.Helper()
	path, problem := findChromium()
	switch {
	case problem == "":
	case os.Getenv("CI") == "":
		t.Skip(problem)
	default:
		t.Fatal(problem)
	}
	ctx, err := shared.start(path)
	if err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	return ctx
}
