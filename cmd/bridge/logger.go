package main

import (
	"io"
	"os"

	"chatbridge/bridge/logging"
	"chatbridge/configs"

	"golang.org/x/term"
)

// newLog returns the configured log, writing to w. The format auto means text on a
// terminal and JSON otherwise; for journald each line begins with its priority.
func newLog(c configs.Log, w io.Writer) *logging.Log {
	f, _ := w.(*os.File)
	return logging.New(w, logging.Options{
		Level: c.Level, Format: logging.Format(c.Format, isTerminal(w)),
		Journal: f != nil && logging.IsJournal(f, os.Getenv("JOURNAL_STREAM")),
	})
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
