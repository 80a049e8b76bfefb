package main

import (
	"os"

	"chatbridge/bridge/check"
	"chatbridge/configs"
	"chatbridge/source/postgres/provision"

	"github.com/spf13/cobra"
)

// newRefresh returns the command that ExecReload= of the units runs as root. Help does not
// list it, because nobody else needs it.
func newRefresh(std streams) *cobra.Command {
	var unit string
	cmd := &cobra.Command{
		Use:   "refresh-credentials --unit UNIT [--config FILE]",
		Short: "Give the running service the secrets' files as they are now",
		Long: `refresh-credentials is run by systemctl reload bridge, as root. It judges the
configuration with the secrets' files that LoadCredential= of the unit names, as
check --offline does; if nothing fails, it copies these files to where the running
service reads them at its next SIGHUP.

` + configHelp,
		Hidden: true,
		Args:   noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if unit == "" {
				return usagef("--unit is needed: the name of the service that is being reloaded")
			}
			sources, err := sourcesOf(cmd, true)
			if err != nil {
				return err
			}
			sources.Unit = unit
			config, err := configs.Load(sources)
			var findings []check.Finding
			if err != nil {
				findings = check.Configuration(err)
			} else {
				findings = check.Offline(cmd.Context(), config)
			}
			if err := printFindings(std.out, findings, false); err != nil {
				return err
			}
			if check.Worst(findings) == provision.Fail {
				return &exitError{exitFailed}
			}
			return config.RefreshCredentials(os.Environ())
		},
	}
	cmd.Flags().StringVar(&unit, "unit", "", "the service's `name`")
	addConfigFlags(cmd)
	return cmd
}
