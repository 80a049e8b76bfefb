package main

import (
	"context"
	"errors"
	"log/slog"

	"chatbridge/configs"
)

// runDaemon makes the daemon of the configuration and runs it until ctx ends.
// What comes from reloaded replaces the secrets of the running one.
func runDaemon(_ context.Context, _ *configs.Config, _ *slog.Logger, _ <-chan *configs.Config) error {
	return errors.New("this build has no daemon")
}
