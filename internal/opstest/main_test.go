package opstest_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"chatbridge/internal/throwaway/pgtest"
)

// built is the binary that the tests share: static, as in the image.
var built struct {
	once sync.Once
	dir  string
	err  error
}

func TestMain(m *testing.M) {
	code := pgtest.Main(m)
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// binary returns the path of the program.
func binary(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "opstest-"); built.err != nil {
			return
		}
		// Others than its owner run it too.
		if built.err = os.Chmod(built.dir, 0o755); built.err != nil {
			return
		}
		cmd := exec.Command("go", "build", "-ldflags", "-s -w -X main.version=v1.2.3 -X main.commit=0123456789ab",
			"-o", filepath.Join(built.dir, "bridge"), "chatbridge/cmd/bridge")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, "bridge")
}

// root is the repository.
func root(elem ...string) string { return filepath.Join(append([]string{"..", ".."}, elem...)...) }

// read returns a file of the repository.
func read(t *testing.T, elem ...string) string {
	t.Helper()
	b, err := os.ReadFile(root(elem...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// tool returns the path of a program that scripts/prepare installs.
func tool(t *testing.T, name, part string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		remedy := name + " is not installed: scripts/prepare " + part
		if os.Getenv("CI") != "" {
			t.Fatal(remedy)
		}
		t.Skip(remedy)
	}
	return path
}
