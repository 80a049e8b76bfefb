package main

import (
	"fmt"
	"io"
	"regexp"
	"strings"

	"chatbridge/bridge/check"
	"chatbridge/source/postgres/provision"

	"github.com/spf13/cobra"
)

func newCheck(std streams) *cobra.Command {
	var asJSON, offline bool
	cmd := &cobra.Command{
		Use:   "check [--config FILE] [--json]",
		Short: "Check everything that can be wrong before it is",
		Long: `check inspects the configuration, the database (version, wal_level, rights,
publication, replica identity, slot and its lag), the mapping against the real
columns, the keys and tables that tokens are verified with, ChatEngine behind the
gateway, certificates and addresses. It changes nothing.

One line each: ok, warn or fail, what it means, and the exact statement or
setting that fixes it. The exit code is 1 when something fails.

` + configHelp,
		Example: `  bridge check --config bridge.yaml
  bridge check --config bridge.yaml --json | jq '.findings[] | select(.level != "ok")'`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var findings []check.Finding
			if config, err := loadConfig(cmd, true); err != nil {
				findings = check.Configuration(err)
			} else if offline {
				findings = check.Offline(cmd.Context(), config)
			} else {
				findings = check.Run(cmd.Context(), config)
			}
			if err := printFindings(std.out, findings, asJSON); err != nil {
				return err
			}
			if err := cmd.Context().Err(); err != nil {
				return fmt.Errorf("interrupted: %w", err)
			}
			if check.Worst(findings) == provision.Fail {
				return &exitError{exitFailed}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&offline, "offline", false, "only what needs no connection: configuration, mapping, certificate")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	addConfigFlags(cmd)
	return cmd
}

// report is what --json prints.
type report struct {
	// Level is the worst level of the findings.
	Level    provision.Level `json:"level"`
	Findings []check.Finding `json:"findings"`
}

func printFindings(w io.Writer, findings []check.Finding, asJSON bool) error {
	if asJSON {
		return printJSON(w, report{check.Worst(findings), findings}, "  ")
	}
	for _, f := range findings {
		if _, err := fmt.Fprintln(w, findingLine(f)); err != nil {
			return err
		}
	}
	return nil
}

// names reports whether a text has a name as a whole, not only as part of a longer name.
func names(text, name string) bool {
	found, err := regexp.MatchString(`(^|[^\w.])`+regexp.QuoteMeta(name)+`([^\w.]|\.?$|\.\W)`, text)
	return err == nil && found
}

// findingLine formats a finding on one line.
func findingLine(f check.Finding) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-4s  %s", f.Level, f.ID)
	if f.Object != "" && !names(f.What, f.Object) {
		b.WriteString(" " + f.Object)
	}
	b.WriteString(": " + f.What)
	if f.Meaning != "" {
		b.WriteString("; " + f.Meaning)
	}
	if f.Fix != "" {
		b.WriteString(" -> " + f.Fix)
	}
	return printable(b.String(), 2000)
}
