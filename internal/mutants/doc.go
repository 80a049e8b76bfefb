// Package mutants proves that the tests can fail: it is a list of changes that
// break the bridge in one place each, and a tool that applies them one at a time
// and runs the test that must notice.
//
// The changes are those whose like once went unnoticed, or would cost events
// without a word. Each names its file, the exact text and what takes its place;
// the text must be in the file exactly once, or the list is out of date, which
// the package's own test says. Nothing is written into the tree: the changed
// file goes to the compiler by go's -overlay, so the build cache does the rest.
//
//	make mutants               all of them; writes docs/mutants.md
//	make mutants ONLY=gateway  those whose name matches
//
// The files:
//
//   - mutant.go: Mutant, the whole list, whether it fits the tree
//   - run.go: applies one and runs its tests; table.go: docs/mutants.md
//   - list_*.go: the changes, by area
//
// Whoever finds a fault adds the change that puts it back.
package mutants
