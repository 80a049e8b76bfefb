package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"chatbridge/bench/internal/command"
	"chatbridge/bench/internal/revision"
)

func main() {
	command.Main("compare", func(ctx context.Context, args []string) error { return run(ctx, args, os.Stdout) })
}

// plan is what to compare.
type plan struct {
	before   string
	pgo      string
	packages []string
	bench    string
	benchFor time.Duration
	rounds   int
	dir      string
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var p plan
	f := flag.NewFlagSet("compare", flag.ContinueOnError)
	f.StringVar(&p.before, "before", "HEAD~1", "the revision to compare with")
	f.StringVar(&p.pgo, "pgo", "", "compare this revision built with this profile, with itself without one")
	packages := f.String("packages", "./mapping/...,./socketio/...,./bridge/hub,./bridge/pipeline,./bridge/replay,./source/postgres/pgoutput,./internal/jsonscan,./internal/recv",
		"whose benchmarks")
	f.StringVar(&p.bench, "bench", ".", "which of them, a regular expression")
	f.DurationVar(&p.benchFor, "benchtime", 200*time.Millisecond, "for how long each runs in a round")
	f.IntVar(&p.rounds, "rounds", 10, "rounds; benchstat wants 6 or more")
	f.StringVar(&p.dir, "dir", "", "where the results go; bench/results by default")
	if err := f.Parse(args); err != nil {
		return err
	}
	p.packages = strings.Split(*packages, ",")
	root, err := output(ctx, "", "go", "list", "-m", "-f", "{{.Dir}}")
	if err != nil {
		return fmt.Errorf("find the module: %w", err)
	}
	root = strings.TrimSpace(root)
	if p.dir == "" {
		p.dir = filepath.Join(root, "bench/results")
	}
	bins, err := os.MkdirTemp("", "bench-compare")
	if err != nil {
		return err
	}
	defer os.RemoveAll(bins)
	before, after := side{name: "before", tree: root, pgo: "off"}, side{name: "after", tree: root, pgo: "auto"}
	if p.pgo != "" {
		if after.pgo, err = filepath.Abs(p.pgo); err != nil {
			return err
		}
	} else {
		tree, remove, err := revision.CheckOut(ctx, root, p.before)
		if err != nil {
			return err
		}
		defer remove()
		before.tree, before.pgo = tree, "auto"
	}
	for _, s := range []*side{&before, &after} {
		if err := s.build(ctx, p.packages, filepath.Join(bins, s.name)); err != nil {
			return err
		}
	}
	if err := p.measure(ctx, &before, &after); err != nil {
		return err
	}
	return p.report(ctx, &before, &after, out)
}

// side is one of the two that are compared.
type side struct {
	name, tree, pgo string
	// tests are the test programs, by package, order the packages.
	tests map[string]test
	out   bytes.Buffer
}

type test struct{ program, dir string }

// build builds the tests of the packages that have benchmarks.
func (s *side) build(ctx context.Context, patterns []string, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	list, err := output(ctx, s.tree, "go", append([]string{"list", "-e", "-f", "{{.ImportPath}}\t{{.Dir}}"}, patterns...)...)
	if err != nil {
		return err
	}
	s.tests = map[string]test{}
	for line := range strings.Lines(list) {
		pkg, folder, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if !hasBenchmarks(folder) {
			continue
		}
		program := filepath.Join(dir, strings.ReplaceAll(pkg, "/", "_"))
		if _, err := output(ctx, s.tree, "go", "test", "-c", "-pgo="+s.pgo, "-o", program, pkg); err != nil {
			return fmt.Errorf("build the tests of %s, %s: %w", pkg, s.name, err)
		}
		s.tests[pkg] = test{program, folder}
	}
	return nil
}

func hasBenchmarks(folder string) bool {
	files, _ := filepath.Glob(filepath.Join(folder, "*_test.go"))
	for _, file := range files {
		if b, err := os.ReadFile(file); err == nil && bytes.Contains(b, []byte("\nfunc Benchmark")) {
			return true
		}
	}
	return false
}

// measure runs the benchmarks of both sides in turn; which is first changes from round
// to round.
func (p *plan) measure(ctx context.Context, before, after *side) error {
	if len(after.tests) == 0 {
		return errors.New("none of the packages has benchmarks")
	}
	for round := range p.rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, p.rounds)
		for pkg := range after.tests {
			turns := []*side{before, after}
			if round%2 == 1 {
				turns = []*side{after, before}
			}
			for _, s := range turns {
				t, ok := s.tests[pkg]
				if !ok {
					continue // there was none yet
				}
				text, err := output(ctx, t.dir, t.program, "-test.run", "^$", "-test.bench", p.bench, "-test.benchmem",
					"-test.benchtime", p.benchFor.String())
				if err != nil {
					return fmt.Errorf("%s, %s: %w", pkg, s.name, err)
				}
				s.out.WriteString(text)
			}
		}
	}
	return nil
}

// report keeps what was measured and what benchstat says of it.
func (p *plan) report(ctx context.Context, before, after *side, out io.Writer) error {
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return err
	}
	var files []string
	for _, s := range []*side{before, after} {
		file := filepath.Join(p.dir, s.name+".txt")
		if err := os.WriteFile(file, s.out.Bytes(), 0o644); err != nil {
			return err
		}
		files = append(files, s.name+"="+file)
	}
	table, err := output(ctx, "", "go", append([]string{"tool", "benchstat"}, files...)...)
	if err != nil {
		return fmt.Errorf("benchstat: %w", err)
	}
	table += "\n" + summary(before.out.String(), after.out.String())
	if _, err := io.WriteString(out, table); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(p.dir, "compare.txt"), []byte(table), 0o644)
}

func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w\n%s%s", err, stdout.String(), stderr.String())
	}
	return stdout.String(), nil
}
