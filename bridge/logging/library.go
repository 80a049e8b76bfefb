package logging

import (
	"bytes"
	"context"
	"log"
	"log/slog"
)

// Library returns a log.Logger for a library that writes lines of text, such as net/http.
// Each line is logged by logger under one event name, with the text as attribute "line". A
// line that mentions a panic is logged as an error, any other at level.
func Library(logger *slog.Logger, level slog.Level) *log.Logger {
	return log.New(&library{logger, level}, "", 0)
}

type library struct {
	log   *slog.Logger
	level slog.Level
}

// Write logs one line.
func (l *library) Write(line []byte) (int, error) {
	text := string(bytes.TrimSpace(line))
	if bytes.Contains(line, []byte("panic")) {
		l.log.Error("a request's handler panicked", "line", text)
	} else {
		l.log.Log(context.Background(), l.level, "a library wrote a line", "line", text)
	}
	return len(line), nil
}
