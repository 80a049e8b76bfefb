package clienttest_test

import (
	"os"
	"os/exec"
	"sync"
	"testing"
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

// needChromium gives the path of the browser.
func needChromium(t *testing.T) string {
	t.Helper()
	path, problem := chromium()
	switch {
	case problem == "":
	case os.Getenv("CI") == "":
		t.Skip(problem)
	default:
		t.Fatal(problem)
	}
	return path
}
