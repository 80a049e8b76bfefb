package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"chatbridge/configs"

	"github.com/spf13/cobra"
)

// timeoutFlag is a pflag.Value that takes no duration in which nothing can be done.
type timeoutFlag struct{ d *time.Duration }

func (f timeoutFlag) String() string {
	if f.d == nil { // pflag asks the zero value
		return ""
	}
	return f.d.String()
}

// Type implements pflag.Value.
func (timeoutFlag) Type() string { return "duration" }

// Set implements pflag.Value.
func (f timeoutFlag) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err == nil && d <= 0 {
		err = errors.New("not above 0")
	}
	if err == nil {
		*f.d = d
	}
	return err
}

// addTimeout adds --timeout to a command that asks the daemon. d has the default.
func addTimeout(cmd *cobra.Command, d *time.Duration) {
	cmd.Flags().Var(timeoutFlag{d}, "timeout", "how long the answer may take")
}

// unreachable adds to the error of asking the daemon at the address of a setting what to
// do about it. Any other error, and nil, it returns as it is.
func unreachable(err error, key string, c *configs.Config) error {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: nothing listens at %s (%s): start the daemon, or give its configuration with --config", err, key, c.Origin(key))
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: give it longer with --timeout, and see whether %s (%s) is the daemon's", err, key, c.Origin(key))
	}
	return err
}
