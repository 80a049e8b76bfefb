package main

import (
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
			log.Logger().Info("configuration", "settings", config)
			for _, w := range config.Warnings() {
				log.Logger().Warn("a setting needs attention", "warning", w)
			}
			return runDaemon(cmd.Context(), config, log, func() (*configs.Config, error) { return loadConfig(cmd, true) })
		},
	}
	addConfigFlags(cmd)
	return cmd
}
