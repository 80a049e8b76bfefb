package imports

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// indexed are the trees in which each package of four files or more has a doc.go with an index
// of them.
var indexed = []string{"bridge", "cmd", "configs", "mapping", "socketio", "source", "internal"}

// fileName is the name of a file in a doc.go, which may stand for several (metrics_*.go).
var fileName = regexp.MustCompile(`[\w*./-]*[\w*]\.go\b`)

// TestIndexesOfFiles holds the index of each doc.go to the files of its package: each is
// named, and each that is named is there.
func TestIndexesOfFiles(t *testing.T) {
	for _, tree := range indexed {
		err := filepath.WalkDir(filepath.Join("../..", tree), func(dir string, entry os.DirEntry, err error) error {
			if err != nil || !entry.IsDir() {
				return err
			}
			files, err := sources(dir)
			if err != nil || len(files) < 4 {
				return err
			}
			text, err := os.ReadFile(filepath.Join(dir, "doc.go"))
			if err != nil {
				t.Errorf("%s has %d files and no doc.go that says what is in which", dir, len(files))
				return nil
			}
			comment, _, _ := strings.Cut(string(text), "\npackage ")
			names := fileName.FindAllString(comment, -1)
			for _, file := range files {
				if file != "doc.go" && !isNamed(file, names) {
					t.Errorf("%s/doc.go does not name %s", dir, file)
				}
			}
			for _, name := range names {
				if there, err := filepath.Glob(filepath.Join(dir, name)); err != nil || len(there) == 0 {
					t.Errorf("%s/doc.go names %s, which is not there", dir, name)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// sources are the files of a package without its tests.
func sources(dir string) (files []string, err error) {
	all, err := filepath.Glob(filepath.Join(dir, "*.go"))
	for _, path := range all {
		if !strings.HasSuffix(path, "_test.go") {
			files = append(files, filepath.Base(path))
		}
	}
	return files, err
}

func isNamed(file string, names []string) bool {
	for _, name := range names {
		if ok, err := filepath.Match(name, file); err == nil && ok {
			return true
		}
	}
	return false
}
