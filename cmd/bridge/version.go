package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"chatbridge/bridge/ops"

	"github.com/spf13/cobra"
)

// Set by the linker: -X main.version=… -X main.commit=….
var version, commit string

// build returns the version of this program: what the linker set, or else what the Go tool
// recorded.
func build() ops.Build {
	v, c := version, commit
	if info, ok := debug.ReadBuildInfo(); ok {
		if v == "" {
			v = info.Main.Version
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && c == "" {
				c = s.Value[:min(12, len(s.Value))]
			}
		}
	}
	if v == "" || v == "(devel)" {
		v = "dev"
	}
	if c == "" {
		c = "unknown"
	}
	return ops.Build{Version: v, Commit: c, Go: runtime.Version()}
}

func newVersion(std streams) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version [--json]",
		Short: "Print version, commit and Go version",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				b := build()
				return printJSON(std.out, struct {
					Version  string `json:"version"`
					Commit   string `json:"commit"`
					Go       string `json:"go"`
					Platform string `json:"platform"`
				}{b.Version, b.Commit, b.Go, runtime.GOOS + "/" + runtime.GOARCH}, "")
			}
			_, err := fmt.Fprintln(std.out, "bridge "+versionText())
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// versionText is the version as `bridge version` and `bridge --version` print it.
func versionText() string {
	b := build()
	return fmt.Sprintf("%s (commit %s, %s, %s/%s)", b.Version, b.Commit, b.Go, runtime.GOOS, runtime.GOARCH)
}
