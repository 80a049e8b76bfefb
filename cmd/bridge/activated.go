package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"time"

	"chatbridge/bridge/systemd"
	"chatbridge/configs"
	"chatbridge/internal/retry"
)

// wrongFor is how long a wrongly configured process waits before it ends, if systemd holds
// the socket. Systemd starts the next process while a client waits in the socket's queue:
// without the delay it would start twenty in a second or two, and then give the socket up.
const wrongFor = 5 * time.Second

// stayWhileWrong delays the end of a wrongly configured process that systemd started for a
// socket. The error has been printed; meanwhile it is also the unit's status.
func stayWhileWrong(ctx context.Context, err error) {
	if exitCode(err) != exitUsage || os.Getenv("LISTEN_FDS") == "" || os.Getenv("NOTIFY_SOCKET") == "" {
		return
	}
	first, _, _ := strings.Cut(err.Error(), "\n  ")
	systemd.NewNotifier(slog.New(slog.DiscardHandler)).Status("wrongly configured; see journalctl -u bridge: " + first)
	_ = retry.Sleep(ctx, wrongFor) // SIGTERM ends it at once
}

// exitCode returns the exit code for the error that a command returned.
func exitCode(err error) int {
	var exit *exitError
	var coded interface{ ExitCode() int }
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &exit):
		return exit.code
	case errors.As(err, new(*usageError)), errors.As(err, new(*configs.Error)):
		return exitUsage
	case errors.As(err, &coded):
		return coded.ExitCode()
	}
	return exitFailed
}
