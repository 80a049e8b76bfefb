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

// runDaemon makes the daemon of the configuration and runs it until ctx ends.
// On SIGHUP it takes over what load then reads, as far as that can change in a
// running one.
func runDaemon(ctx context.Context, config *configs.Config, log *logging.Log, load func() (*configs.Config, error)) error {
	// First: until then the signal ends the process.
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	inherited, err := systemd.Inherit()
	if err != nil {
		return err
	}
	daemon, err := bridge.New(config, bridge.Options{Build: build(), Log: log, Listeners: inherited})
	if err != nil {
		return err
	}
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
				// It has logged the error, and is as it was.
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
