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

// timeoutFlag is a pflag.Value for a duration above 0.
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

// unreachable adds a remedy to an error that says that the daemon, at the address in the
// setting key, refused the connection or took too long. It returns any other error, and
// nil, unchanged.
func unreachable(err error, key string, c *configs.Config) error {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: nothing listens at %s (%s): start the daemon, or give its configuration with --config", err, key, c.Origin(key))
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: give it longer with --timeout, and see whether %s (%s) is the daemon's", err, key, c.Origin(key))
	}
	return err
}
