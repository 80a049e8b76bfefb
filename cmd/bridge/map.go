package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"chatbridge/mapping"
	"chatbridge/mapping/engine"
	"chatbridge/mapping/trial"

	"github.com/spf13/cobra"
)

func newMap(std streams) *cobra.Command {
	var preset, file, table string
	cmd := &cobra.Command{
		Use:   "map [--preset crm] [--file FILE] [--table messages]",
		Short: "Print the events that rows given as JSON would make",
		Long: `map reads rows as JSON from standard input and prints the events that they make,
one a line, so that a mapping can be tried without a database. Its warnings go
to standard error.

A row is an object of columns and values and counts as inserted, or
{"table": …, "op": "insert|update|delete", "new": {…}, "old": {…}}. Each is a
transaction; the rows of a JSON list are one together. Nothing is looked up:
rows given first, contacts and conversations, stand for what the database has.`,
		Example: `  bridge map --preset crm --table messages < rows.json
  bridge map --preset crm --file mapping.yaml --table messages < rows.json`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			spec, err := mapping.Load(preset, file)
			var wrong *mapping.Error
			if errors.As(err, &wrong) {
				return &configurationError{fmt.Errorf("the mapping is wrong:\n%w", wrong)}
			}
			if err != nil {
				return usagef("%v", err)
			}
			return trial.Run(std.in, std.out, trial.Options{
				Spec: spec, Table: table, Time: time.Now(),
				Warn: func(w engine.Warning) {
					fmt.Fprintf(std.err, "warning: %s: %s %s: %s\n", w.Reason, w.Table, w.Key, w.Detail)
				},
			})
		},
	}
	cmd.Flags().StringVar(&preset, "preset", "crm", "the mapping's `name`: "+strings.Join(mapping.Presets(), ", "))
	cmd.Flags().StringVar(&file, "file", "", "a mapping of one's own, or changes to the preset, as mapping.file")
	cmd.Flags().StringVar(&table, "table", "", "the `table` of rows that do not say theirs")
	return cmd
}
