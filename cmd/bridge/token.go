package main

import (
	"fmt"
	"time"

	"chatbridge/bridge/auth"
	"chatbridge/configs"

	"github.com/spf13/cobra"
)

func newToken(std streams) *cobra.Command {
	var workspace, user string
	var ttl time.Duration
	cmd := &cobra.Command{
		Use:   "token --workspace W [--user U] [--ttl 1h]",
		Short: "Sign a ChatEngine-style token with the configured secret",
		Long: `token prints a token (HS256) that ChatEngine and this bridge accept: signed with
auth.chatengine_secret, the first where there are several, with the configured
issuer and audience.

` + configHelp,
		Example: `  CHATENGINE_JWT_SECRET=… bridge token --workspace 6f6b… --user 9a1c… --ttl 12h
  bridge token --config bridge.yaml --workspace 6f6b… --ttl 0    one that never expires`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case workspace == "":
				return usagef("--workspace is missing: the id of the workspace that the token is for")
			case ttl < 0:
				return usagef("--ttl %s is negative: want a duration such as 1h, or 0 for a token that never expires", ttl)
			}
			config, err := loadConfig(cmd, false)
			if err != nil {
				return err
			}
			token, err := signToken(config, workspace, user, ttl)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(std.out, token)
			return err
		},
	}
	cmd.Flags().StringVarP(&workspace, "workspace", "w", "", "the workspace's `id`")
	cmd.Flags().StringVarP(&user, "user", "u", "", "the user's `id`")
	cmd.Flags().DurationVar(&ttl, "ttl", time.Hour, "how long it is valid; 0: for ever")
	addConfigFlags(cmd)
	return cmd
}

func signToken(c *configs.Config, workspace, user string, ttl time.Duration) (string, error) {
	if len(c.Auth.ChatEngineSecrets) == 0 {
		return "", c.Unset("auth.chatengine_secret", "is not set, and a token is signed with it",
			"ChatEngine's JWT secret, also as CHATENGINE_JWT_SECRET in the environment")
	}
	first := func(list []string) string {
		if len(list) == 0 {
			return ""
		}
		return list[0]
	}
	return auth.Sign(c.Auth.ChatEngineSecrets[0].Reveal(), workspace, user, first(c.Auth.Issuers), first(c.Auth.Audiences), time.Now(), ttl)
}
