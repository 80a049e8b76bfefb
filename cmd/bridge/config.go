package main

import (
	"chatbridge/configs"

	"github.com/spf13/cobra"
)

const configHelp = `Settings come from the defaults, the file, systemd's credentials, the environment
and flags, the later the stronger. Every key is a flag of the same name (secrets
are not); configs/bridge.yaml has all of them with their defaults and meaning.
Every command but serve takes from an installed bridge.service (where only instances
of bridge@.service are enabled, from the first of these) what that gives the daemon:
without --config its configuration file, and with that file the secrets, from the
files that its LoadCredential= names. Only root can read these.`

// addConfigFlags gives the command --config and a flag for every setting.
func addConfigFlags(cmd *cobra.Command) {
	cmd.Flags().StringP("config", "c", "", "the configuration `file` (default $"+configs.ConfigEnv+", else none)")
	configs.AddFlags(cmd.Flags())
	for key, words := range configs.Choices() {
		// It cannot fail: the flag exists and has no completion yet.
		_ = cmd.RegisterFlagCompletionFunc(key, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	}
	cmd.Flags().SortFlags = false
}

// loadConfig reads the configuration. With complete, a missing setting that serving needs
// is an error.
func loadConfig(cmd *cobra.Command, complete bool) (*configs.Config, error) {
	sources, err := sourcesOf(cmd, complete)
	if err != nil {
		return nil, err
	}
	return configs.Load(sources)
}

// sourcesOf returns where the command's configuration is read from.
func sourcesOf(cmd *cobra.Command, complete bool) (configs.Sources, error) {
	file, err := cmd.Flags().GetString("config")
	if err != nil {
		return configs.Sources{}, err
	}
	sources := configs.Process(file, cmd.Flags())
	sources.Complete = complete
	sources.Installed = cmd.Name() != "serve"
	return sources, nil
}
