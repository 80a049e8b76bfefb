// Package revision checks out, or builds a command of, this module as it was at
// another revision, so that a change is measured beside what it changes in one run.
package revision

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Build builds the package pkg, such as "./cmd/bridge", of the repository at
// root as it was at rev, anything that git knows a commit by, and writes the
// program to out. It leaves nothing else behind.
func Build(ctx context.Context, root, rev, pkg, out string) error {
	tree, remove, err := CheckOut(ctx, root, rev)
	if err != nil {
		return err
	}
	defer remove()
	if err := run(ctx, tree, "go", "build", "-o", out, pkg); err != nil {
		return fmt.Errorf("build %s of %s: %w", pkg, rev, err)
	}
	return nil
}

// CheckOut gives the repository's files as they were at rev a folder of their own,
// until remove is called.
func CheckOut(ctx context.Context, root, rev string) (tree string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "revision")
	if err != nil {
		return "", nil, fmt.Errorf("make folder: %w", err)
	}
	tree = filepath.Join(dir, "tree")
	if err := run(ctx, root, "git", "worktree", "add", "--quiet", "--detach", tree, rev); err != nil {
		_ = os.RemoveAll(dir)
		return "", nil, fmt.Errorf("check out %s: %w", rev, err)
	}
	return tree, func() {
		_ = run(context.WithoutCancel(ctx), root, "git", "worktree", "remove", "--force", tree)
		_ = os.RemoveAll(dir)
	}, nil
}

func run(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}
