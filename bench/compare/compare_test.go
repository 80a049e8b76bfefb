package main

import (
	"os/exec"
	"strings"
	"testing"
)

const old = `pkg: a
BenchmarkX-2   100   200 ns/op   3 B/op   1 allocs/op
BenchmarkX-2   100   100 ns/op   3 B/op   1 allocs/op
BenchmarkX-2   100   150 ns/op   3 B/op   1 allocs/op
BenchmarkGone-2   100   10 ns/op
pkg: b
BenchmarkX-2   100   12.5 rows/s   100 ns/op
`

func TestSummary(t *testing.T) {
	for after, want := range map[string]string{
		old: "= 1.000, less than 3 % either way",
		strings.ReplaceAll(strings.ReplaceAll(old, "150 ns", "75 ns"), "200 ns", "75 ns"): "= 0.794, 3 % or more faster",
		"pkg: b\nBenchmarkX-2 100 200 ns/op\n":                                            "1 benchmarks, geometric mean of medians: after ÷ before = 2.000, 3 % or more slower",
		"pkg: b\nBenchmarkNew-2 100 200 ns/op\n":                                          "no benchmark that both have",
	} {
		if got := summary(old, after); !strings.Contains(got, want) {
			t.Errorf("summary says %q, want %q", got, want)
		}
	}
}

// TestCompare compares this revision with itself in one small package.
func TestCompare(t *testing.T) {
	if err := exec.Command("git", "rev-parse", "HEAD").Run(); err != nil {
		t.Skip("no repository")
	}
	dir := t.TempDir()
	var out strings.Builder
	args := []string{"-before", "HEAD", "-packages", "./internal/jsonscan", "-rounds", "2", "-benchtime", "1ms", "-dir", dir}
	t.Chdir("../..")
	if err := run(t.Context(), args, &out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "sec/op") || !strings.Contains(out.String(), "geometric mean") {
		t.Errorf("output:\n%s", out.String())
	}
}
