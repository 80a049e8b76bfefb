package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"chatbridge/bridge"
	"chatbridge/bridge/logging"
	"chatbridge/bridge/systemd"
	"chatbridge/configs"
)

// runDaemon runs a daemon with the configuration until ctx ends. On SIGHUP it
// calls load and applies what can change in a running daemon.
func runDaemon(ctx context.Context, config *configs.Config, log *logging.Log, load func() (*configs.Config, error)) error {
	// Before anything else: SIGHUP without a handler ends the process.
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	inherited, err := systemd.Inherit()
	if err != nil {
		return err
	}
	daemon, err := bridge.New(config, build(), log.Logger())
	if err != nil {
		return err
	}
	daemon.UseLog(log)
	daemon.UseListeners(inherited)
	if err := daemon.Listen(); err != nil {
		daemon.Close()
		return err
	}
	done, reloading := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(reloading)
		for {
			select {
			case <-done:
				return
			case <-hup:
				// On an error, which the daemon logs, nothing has changed.
				_ = daemon.ReloadFrom(load)
			}
		}
	}()
	defer func() {
		close(done)
		<-reloading
	}()
	return daemon.Run(ctx)
}
