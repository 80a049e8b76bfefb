package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"chatbridge/bridge"
)

// The exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2 // wrong usage or configuration
)

// gcPercent is how much the heap may grow beyond what is live before it is
// collected. What is live is mostly the replay log: bytes without pointers, which
// the collector does not scan. With Go's default of 100 a burst of 100,000 rows
// peaked at half as much memory again.
const gcPercent = 30

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}

// streams are the standard streams of one run.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// run executes the program with args and returns its exit code. When ctx ends
// it shuts down in order.
func run(ctx context.Context, args []string, std streams) int {
	root := newRoot(std)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	var exit *exitError
	if errors.As(err, &exit) {
		return exit.code
	}
	// A logged error is printed again only on a terminal, for the person there.
	var logged *bridge.LoggedError
	if !errors.As(err, &logged) || isTerminal(std.err) {
		fmt.Fprintln(std.err, "bridge: "+err.Error())
	}
	if errors.As(err, new(*usageError)) {
		fmt.Fprintf(std.err, "Run '%s --help' for how it is used.\n", cmd.CommandPath())
	}
	if cmd.Name() == "serve" {
		stayWhileWrong(ctx, err)
	}
	return exitCode(err)
}

// usageError is wrong usage: an unknown command or flag, a missing argument.
type usageError struct{ reason string }

func (e *usageError) Error() string { return e.reason }

func usagef(format string, args ...any) error {
	return &usageError{strings.TrimSpace(fmt.Sprintf(format, args...))}
}

// exitError is an exit code without a message: the command has printed what is
// wrong.
type exitError struct{ code int }

func (e *exitError) Error() string { return fmt.Sprintf("exit code %d", e.code) }
