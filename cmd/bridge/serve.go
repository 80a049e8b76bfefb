package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"chatbridge/configs"

	"github.com/spf13/cobra"
)

func newServe(std streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve [--config FILE]",
		Short: "Run the daemon in the foreground",
		Long: `serve runs the daemon until SIGTERM or Ctrl-C, then closes its clients'
transports so that they go to another instance, confirms its last position and
ends within shutdown.grace. SIGHUP reads the secrets again.

` + configHelp,
		Example: `  DATABASE_URL=postgres://… CHATENGINE_JWT_SECRET=… bridge serve
  bridge serve --config /etc/chatbridge/bridge.yaml --log.level=debug`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := loadConfig(cmd, true)
			if err != nil {
				return err
			}
			log := newLogger(config.Log, std.err)
			log.Info("configuration", "settings", config)
			for _, w := range config.Warnings() {
				log.Warn(w)
			}
			return serve(cmd.Context(), config, log, func() (*configs.Config, error) { return loadConfig(cmd, true) })
		},
	}
	addConfigFlags(cmd)
	return cmd
}

// serve runs the daemon until ctx ends. On SIGHUP it reads the configuration
// again and takes over what can change in a running daemon: the secrets.
func serve(ctx context.Context, config *configs.Config, log *slog.Logger, reload func() (*configs.Config, error)) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)

	reloaded := make(chan *configs.Config)
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer close(done)
		for {
			select {
			case <-ctx.Done():
				return
			case <-hup:
			}
			next, err := reload()
			if err != nil {
				log.Error("SIGHUP: the configuration is kept as it was", "error", err)
				continue
			}
			select {
			case reloaded <- next:
			case <-ctx.Done():
			}
		}
	}()
	defer func() {
		cancel()
		<-done
	}()
	return runDaemon(ctx, config, log, reloaded)
}
