package clienttest_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"chatbridge/internal/npm"
)

// pythonPackages are Debian's packages of what testdata/python/parity.py imports.
var pythonPackages = []string{"python3-socketio", "python3-websocket", "python3-aiohttp", "python3-requests"}

// findPython finds an interpreter that has python-socketio, or installs it for
// Debian's, once for all tests.
var findPython = sync.OnceValues(func() (path, problem string) {
	find := func() string {
		// Debian's comes first: another one in PATH does not find its packages.
		for _, path := range []string{"/usr/bin/python3", "python3"} {
			if exec.Command(path, "-c", "import socketio, websocket, aiohttp, requests").Run() == nil {
				return path
			}
		}
		return ""
	}
	if path = find(); path != "" {
		return path, ""
	}
	need := "no python-socketio: install the packages " + strings.Join(pythonPackages, " ")
	apt, err := exec.LookPath("apt-get")
	if err != nil || os.Getuid() != 0 {
		return "", need + ", or run the test as root on Debian and it does so"
	}
	cmd := exec.Command(apt, append([]string{"install", "-y", "--no-install-recommends"}, pythonPackages...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", need + "; apt-get install failed (apt-get update first): " + string(out)
	}
	if path = find(); path == "" {
		return "", need + ": apt-get installed them, and they are not found"
	}
	return path, ""
})

// startPython runs clients of python-socketio, of its kind "sync" or "asyncio".
func startPython(kind string) func(t *testing.T) *group {
	return func(t *testing.T) *group {
		t.Helper()
		path, problem := findPython()
		switch {
		case problem == "":
		case os.Getenv("CI") == "":
			t.Skip(problem)
		default:
			t.Fatal(problem)
		}
		// What the library's threads write to standard error at their end says nothing.
		p, err := npm.Start(context.WithoutCancel(t.Context()), npm.Options{
			Program: path, Script: "testdata/python/parity.py", Args: []string{kind},
		})
		if err != nil {
			t.Fatal(err)
		}
		return newGroup(t, p)
	}
}
