package mutants

import (
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Mutant is one change, and the tests that must fail with it.
type Mutant struct {
	// Name is its area and what is broken, such as "gateway: cover time".
	Name string
	// Why says what a user would lose.
	Why string
	// File is the one that is changed, from the module's root.
	File string
	// Old is in File exactly once; New takes its place.
	Old, New string
	// Package is the tests' folder from the module's root, Tests the names of
	// those of which at least one must fail.
	Package string
	Tests   []string
	// Args are flags of the tests' own, such as "-model.seeds=500".
	Args []string
}

// All is the whole list.
func All() []Mutant {
	return slices.Concat(gateway, webhooks, bridge, feeding, absences, clients, replayLog, cluster, mapper, postgres, repairs, realtime, ledger, engine, recovery, authentication, sending, restInterface, lookups)
}

// apply returns the changed file.
func (m *Mutant) apply(root string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(root, m.File))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.Name, err)
	}
	if n := strings.Count(string(text), m.Old); n != 1 {
		return nil, fmt.Errorf("%s: the text is %d times in %s, must be there once; bring the list up to date:\n%s", m.Name, n, m.File, m.Old)
	}
	changed := strings.Replace(string(text), m.Old, m.New, 1)
	if changed == string(text) {
		return nil, fmt.Errorf("%s changes nothing", m.Name)
	}
	if _, err := parser.ParseFile(token.NewFileSet(), m.File, changed, parser.SkipObjectResolution); err != nil {
		return nil, fmt.Errorf("%s: the changed file is no Go: %w", m.Name, err)
	}
	return []byte(changed), nil
}

// Check reports what of the list no longer fits the tree at root.
func Check(root string, list []Mutant) []error {
	var wrong []error
	names := make(map[string]bool)
	for i := range list {
		m := &list[i]
		if names[m.Name] {
			wrong = append(wrong, fmt.Errorf("two are called %q", m.Name))
		}
		names[m.Name] = true
		if m.Why == "" || len(m.Tests) == 0 {
			wrong = append(wrong, fmt.Errorf("%s: says not why, or names no test", m.Name))
		}
		if _, err := m.apply(root); err != nil {
			wrong = append(wrong, err)
		}
		if err := m.testsExist(root); err != nil {
			wrong = append(wrong, err)
		}
	}
	return wrong
}

// testsExist looks for the named tests in the package's files.
func (m *Mutant) testsExist(root string) error {
	files, err := filepath.Glob(filepath.Join(root, m.Package, "*_test.go"))
	if err != nil {
		return err
	}
	var all strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		all.Write(text)
	}
	for _, name := range m.Tests {
		if !strings.Contains(all.String(), "func "+name+"(") {
			return fmt.Errorf("%s: there is no test %s in %s", m.Name, name, m.Package)
		}
	}
	return nil
}
