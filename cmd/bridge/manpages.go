//go:build manpages

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
)

// Only a build with the tag manpages has this command, so that no shipped binary has
// its dependencies. See scripts/release.
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
			asText(root)
			if err := doc.GenManTree(root, &doc.GenManHeader{
				Section: "1", Date: &date, Source: "chatbridge " + build().Version,
			}, args[0]); err != nil {
				return err
			}
			return tidy(args[0], date)
		},
	}
}

// asText escapes the texts of a command and its sub-commands, which the generator would
// read as Markdown.
func asText(cmd *cobra.Command) {
	escape := strings.NewReplacer("*", `\*`, "<", `\<`).Replace
	cmd.Long = escape(cmd.Long)
	cmd.Short = escape(cmd.Short)
	flag := func(f *pflag.Flag) {
		if !strings.Contains(f.Usage, `\*`) { // a persistent flag is visited more than once
			f.Usage = escape(f.Usage)
		}
	}
	cmd.Flags().VisitAll(flag)
	cmd.PersistentFlags().VisitAll(flag)
	for _, c := range cmd.Commands() {
		asText(c)
	}
}

// option matches an option as the generator writes it: a paragraph and a tab, where man
// pages have a list. The first option has no paragraph of its own.
var option = regexp.MustCompile(`(?m)^(?:\.PP\n)?(\\fB-.*)\n\t`)

// tidy changes what man page readers warn about in the generator's pages: it writes dates
// to the day, and options as lists.
func tidy(dir string, date time.Time) error {
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil {
		return err
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			return err
		}
		text = bytes.Replace(text, []byte(date.Format(`"Jan 2006"`)), []byte(date.Format(`"2006-01-02"`)), 1)
		text = option.ReplaceAll(text, []byte(".TP\n$1\n"))
		if err := os.WriteFile(page, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
