//go:build manpages

package main

import (
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// The release's build of the program has this command and nobody else's: what it
// needs is in no binary that is shipped. See scripts/release.
func init() {
	commands = append(commands, newManPages)
}

func newManPages(streams) *cobra.Command {
	return &cobra.Command{
		Use:    "manpages DIR",
		Short:  "Write the manual pages",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			date := time.Now()
			if s, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil {
				date = time.Unix(s, 0).UTC()
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			return doc.GenManTree(root, &doc.GenManHeader{
				Title: "BRIDGE", Section: "1", Date: &date, Source: "chatbridge " + build().Version,
			}, args[0])
		},
	}
}
