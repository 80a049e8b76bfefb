package npm_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestLockFilesNameNoRegistry keeps the address of whatever registry a
// developer uses out of the repository, and the versions exact.
func TestLockFilesNameNoRegistry(t *testing.T) {
	ranged := regexp.MustCompile(`"[~^>*]|"latest"|"\d+(\.\d+)?"`)
	n := 0
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git"):
			return fs.SkipDir
		case d.Name() != "package-lock.json":
			return nil
		}
		n++
		lock, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if regexp.MustCompile(`"resolved": "https?:`).Match(lock) {
			t.Errorf("%s names a registry: put omit-lockfile-registry-resolved=true into .npmrc beside it and make it again", path)
		}
		manifest, err := os.ReadFile(filepath.Join(filepath.Dir(path), "package.json"))
		if err != nil {
			return err
		}
		if m := ranged.Find(manifest); m != nil {
			t.Errorf("package.json beside %s has the inexact version %s", path, m)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n == 0 {
		t.Error("no lock file found: the test looks in the wrong place")
	}
}
