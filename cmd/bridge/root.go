package main

import (
	"errors"
	"fmt"
	"strings"

	"chatbridge/internal/nearest"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// newRoot returns the command `bridge` with all its sub-commands.
func newRoot(std streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "bridge",
		Short: "Keeps a CRM's screens alive when its chat server is down",
		Long: `bridge follows messages and conversations in a Supabase database and serves
them over Socket.IO as ChatEngine does, so that a CRM cannot tell the two apart
and loses no event.`,
		Example: `  bridge demo                          everything on this machine, nothing to configure
  bridge serve --config bridge.yaml    the daemon
  bridge check --config bridge.yaml    what could go wrong, before it does
  bridge tail --url http://127.0.0.1:8080 --token "$(bridge token --workspace W)"`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_ = cmd.Help()
			return &exitError{exitUsage}
		},
		Version:                    versionText(),
		SuggestionsMinimumDistance: 2,
	}
	root.SetVersionTemplate("bridge {{.Version}}\n")
	root.SetHelpCommand(newHelp())
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	root.SetFlagErrorFunc(flagError)
	for _, command := range commands {
		c := command(std)
		if c.ValidArgs == nil && c.ValidArgsFunction == nil {
			c.ValidArgsFunction = cobra.NoFileCompletions
		}
		root.AddCommand(c)
	}
	addCompletion(root)
	return root
}

// addCompletion adds cobra's `completion`, and makes a missing or unknown shell a usage
// error: cobra would print help and exit with 0.
func addCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() != "completion" {
			continue
		}
		c.Args = func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("%s", sayOneOf(cmd))
			}
			return noCommand(cmd, args)
		}
		c.RunE = func(*cobra.Command, []string) error { return nil } // not reached, but without it cobra does not call Args
		for _, shell := range c.Commands() {
			shell.Args = noArguments
		}
	}
}

// commands make the sub-commands, in the order in which help lists them.
var commands = []func(streams) *cobra.Command{
	newServe, newDemo, newCheck, newSetup, newGateway, newSpool, newHealthcheck, newToken, newTail, newMap, newVersion, newRefresh,
}

// newHelp returns `bridge help`: cobra's own exits with 0 for an unknown command.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Print how a command is used",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var names []string
			if len(args) == 0 {
				for _, c := range cmd.Root().Commands() {
					if c.IsAvailableCommand() {
						names = append(names, c.Name()+"\t"+c.Short)
					}
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			of, left, err := cmd.Root().Find(args)
			if err != nil {
				return noCommand(cmd.Root(), args)
			}
			if len(left) > 0 {
				return noCommand(of, left)
			}
			return of.Help()
		},
	}
}

// noCommand returns a usage error that says that the first argument is not a command; nil
// without arguments.
func noCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	reason := fmt.Sprintf("there is no command %q", args[0])
	if cmd.HasParent() {
		reason = fmt.Sprintf("there is no %q of %s", args[0], cmd.CommandPath())
	}
	switch near := cmd.SuggestionsFor(args[0]); {
	case len(near) > 0:
		reason += "; did you mean " + strings.Join(near, " or ") + "?"
	case cmd.HasParent() && cmd.HasSubCommands():
		reason += ": " + sayOneOf(cmd)
	}
	return usagef("%s", reason)
}

// sayOneOf lists the sub-commands of a command.
func sayOneOf(cmd *cobra.Command) string {
	var names []string
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	return "say one of " + strings.Join(names, ", ")
}

// accepted says, by a flag's type, which values it accepts.
var accepted = map[string]string{
	"duration": "a duration such as 20s or 1h", "int": "a whole number", "float64": "a number", "bool": "true or false",
}

// flagError returns a usage error that says which values a flag accepts or, for an unknown
// flag, which known one is nearest.
func flagError(cmd *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		flag := invalid.GetFlag()
		want := accepted[flag.Value.Type()]
		if _, is := flag.Value.(timeoutFlag); is {
			want = "a duration above 0, such as 5s"
		}
		if want != "" {
			return usagef("--%s is %q: want %s", flag.Name, invalid.GetValue(), want)
		}
	}
	name, unknown := strings.CutPrefix(err.Error(), "unknown flag: --")
	if !unknown {
		return usagef("%v", err)
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if near := nearest.Of(name, names); near != "" {
		return usagef("%v; did you mean --%s?", err, near)
	}
	return usagef("%v", err)
}

// noArguments is for commands that take flags only.
func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unexpected argument %q: this command takes flags only", args[0])
	}
	return nil
}
