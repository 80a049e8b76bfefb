package imports

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// dependency is a row of docs/decisions/dependencies.md: module, where it is
// used, reason.
var dependency = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (program|tests) \\| [^|]+ \\|$")

// TestEveryDependencyHasItsReason compares the direct dependencies in go.mod
// with the rows of docs/decisions/dependencies.md, and those that the page
// says are in the program with the modules that cmd/bridge links.
func TestEveryDependencyHasItsReason(t *testing.T) {
	page, err := os.ReadFile("../../docs/decisions/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{} // module: program or tests
	for _, row := range dependency.FindAllStringSubmatch(string(page), -1) {
		documented[row[1]] = row[2]
	}
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	if err := json.Unmarshal(output(t, "go", "mod", "edit", "-json"), &mod); err != nil {
		t.Fatal(err)
	}
	linked := map[string]bool{}
	for module := range strings.FieldsSeq(string(output(t, "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "chatbridge/cmd/bridge"))) {
		linked[module] = true
	}
	for _, r := range mod.Require {
		if r.Indirect {
			continue
		}
		where := documented[r.Path]
		delete(documented, r.Path)
		switch {
		case where == "":
			t.Errorf("%s has no row in docs/decisions/dependencies.md", r.Path)
		case where == "tests" && linked[r.Path]:
			t.Errorf("%s is for tests only, and cmd/bridge links it", r.Path)
		case where == "program" && !linked[r.Path]:
			t.Errorf("%s is said to be in the program, and cmd/bridge does not link it", r.Path)
		}
	}
	for module := range documented {
		t.Errorf("%s has a row in docs/decisions/dependencies.md and is no direct dependency in go.mod", module)
	}
}

func output(t *testing.T, command ...string) []byte {
	t.Helper()
	out, err := exec.Command(command[0], command[1:]...).Output()
	if err != nil {
		t.Fatalf("%s: %v", strings.Join(command, " "), err)
	}
	return out
}
