// Command mutate breaks the bridge in one place after the other and runs the
// tests that must notice. It ends with 1 where one does not, where a change does
// not build, or where a test fails as it is.
//
//	go run ./internal/mutants/mutate [-only regexp] [-doc docs/mutants.md] [-jobs 2] [-check] [-v]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sync/errgroup"

	"chatbridge/internal/mutants"
)

func main() {
	only := flag.String("only", "", "a regular expression for the names; the others keep their rows in the document")
	doc := flag.String("doc", "", "where the table is written")
	jobs := flag.Int("jobs", 2, "how many are tried at a time; their tests wait more than they work")
	check := flag.Bool("check", false, "look only whether the list fits the code")
	verbose := flag.Bool("v", false, "show what the failing tests said")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *only, *doc, max(*jobs, 1), *check, *verbose); err != nil {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, only, doc string, jobs int, check, verbose bool) error {
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	pattern, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	list := slices.DeleteFunc(mutants.All(), func(m mutants.Mutant) bool { return !pattern.MatchString(m.Name) })
	if len(list) == 0 {
		return fmt.Errorf("no mutant's name matches %q", only)
	}
	if err := errors.Join(mutants.Check(root, list)...); err != nil || check {
		return err
	}
	temp, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	r := &mutants.Runner{Root: root, Temp: temp}
	fmt.Printf("running the tests of %d mutants as the code is\n", len(list))
	if err := r.Baseline(ctx, list); err != nil {
		return err
	}
	results, err := all(ctx, r, list, jobs, verbose)
	if err != nil {
		return err
	}
	if doc != "" {
		if err := write(filepath.Join(root, doc), results); err != nil {
			return err
		}
	}
	return verdict(results)
}

// write writes the document, which may not be there yet.
func write(name string, results []mutants.Result) error {
	former, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.WriteFile(name, []byte(mutants.Document(mutants.All(), results, string(former))), 0o644)
}

// all tries the list, jobs at a time, and returns the results in its order.
func all(ctx context.Context, r *mutants.Runner, list []mutants.Mutant, jobs int, verbose bool) ([]mutants.Result, error) {
	results := make([]mutants.Result, len(list))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(jobs)
	for i, m := range list {
		group.Go(func() error {
			res, err := r.Run(ctx, m)
			if err != nil {
				return err
			}
			results[i] = res
			line := fmt.Sprintf("%-9s %5.1fs  %s  %s\n", res.Outcome, res.Took.Seconds(), m.Name, strings.Join(res.By, " "))
			if verbose || res.Outcome == mutants.NotBuilt {
				line += res.Output + "\n"
			}
			fmt.Print(line)
			return nil
		})
	}
	return results, group.Wait()
}

// verdict is the error of what was not killed.
func verdict(results []mutants.Result) error {
	var wrong []error
	for _, res := range results {
		if res.Outcome != mutants.Killed {
			wrong = append(wrong, fmt.Errorf("%s: %s", res.Outcome, res.Mutant.Name))
		}
	}
	return errors.Join(wrong...)
}
