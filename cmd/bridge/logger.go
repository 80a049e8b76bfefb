package main

import (
	"io"
	"log/slog"
	"os"

	"chatbridge/configs"

	"golang.org/x/term"
)

// newLogger returns the logger that the configuration asks for. auto is text
// on a terminal and JSON otherwise.
func newLogger(c configs.Log, w io.Writer) *slog.Logger {
	opts := &slog.HandlerOptions{Level: c.Level}
	if c.Format == "text" || c.Format == "auto" && isTerminal(w) {
		return slog.New(slog.NewTextHandler(w, opts))
	}
	return slog.New(slog.NewJSONHandler(w, opts))
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
