package main

import (
	"context"
	"log/slog"

	"chatbridge/bridge"
	"chatbridge/configs"
)

// runDaemon makes the daemon of the configuration and runs it until ctx ends.
// What comes from reloaded replaces what can be changed in the running one.
func runDaemon(ctx context.Context, config *configs.Config, log *slog.Logger, reloaded <-chan *configs.Config) error {
	daemon, err := bridge.New(config, build(), log)
	if err != nil {
		return err
	}
	if err := daemon.Listen(); err != nil {
		return err
	}
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			select {
			case <-done:
				return
			case next := <-reloaded:
				daemon.Reload(next)
			}
		}
	}()
	return daemon.Run(ctx)
}
