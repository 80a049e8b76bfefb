package main

import (
	"context"
	"errors"
	"fmt"
	stdlog "log"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"chatbridge/bridge"
	"chatbridge/bridge/logging"
	"chatbridge/bridge/systemd"
	"chatbridge/configs"

	"github.com/spf13/cobra"
)

func newServe(std streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve [--config FILE]",
		Short: "Run the daemon in the foreground",
		Long: `serve runs the daemon until SIGTERM or Ctrl-C, then closes its clients'
transports so that they go to another instance, confirms its last position and
ends within shutdown.grace. SIGHUP reads the configuration again and applies
secrets, origins, limits, TLS files and log level; what needs a restart is logged.

` + configHelp,
		Example: `  DATABASE_URL=postgres://… CHATENGINE_JWT_SECRET=… bridge serve
  bridge serve --config /etc/chatbridge/bridge.yaml --log.level=debug`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := loadConfig(cmd, true)
			if err != nil {
				return err
			}
			log := newLog(config.Log, std.err)
			// For libraries that write with package log.
			library := logging.Library(log.Logger(), slog.LevelInfo)
			stdlog.SetFlags(0)
			stdlog.SetOutput(library.Writer())
			log.Logger().Info("configuration", "settings", config)
			bridge.LogWarnings(log.Logger(), config)
			err = runDaemon(cmd.Context(), config, log, func() (*configs.Config, error) { return loadConfig(cmd, true) })
			if err != nil && !errors.As(err, new(*bridge.LoggedError)) {
				// In the log's format, as all lines before it.
				log.Logger().Error("the bridge does not start", "error", err)
				err = &bridge.LoggedError{Err: err}
			}
			return err
		},
	}
	addConfigFlags(cmd)
	return cmd
}

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
	memory := limitMemory()
	log.Logger().Info("memory limit of the Go runtime", "bytes", memory.Bytes, "from", memory.From, "groupBytes", memory.Group)
	if kept := int64(config.Replay.MaxBytes + config.Lookup.Bytes); memory.Bytes > 0 && kept > memory.Bytes {
		log.Logger().WarnContext(logging.Answer(ctx), "a setting needs attention", "warning", fmt.Sprintf("replay.max_bytes and lookup.bytes together are %d bytes, more than the memory limit of %d: when both are in use the collector finds nothing to free", kept, memory.Bytes))
	}
	daemon, err := bridge.New(config, bridge.Options{Build: build(), Memory: memory, Log: log, Listeners: inherited})
	if err != nil {
		return &configurationError{err}
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
