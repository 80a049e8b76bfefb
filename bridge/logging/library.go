package logging

import (
	"bytes"
	"context"
	"log"
	"log/slog"
)

// Library returns a logger for a library that writes lines of text, such as net/http:
// each is one of log's under one name, with the text beside it. A panic that the library
// caught is an error, all else is of level.
func Library(logger *slog.Logger, level slog.Level) *log.Logger {
	return log.New(&library{logger, level}, "", 0)
}

type library struct {
	log   *slog.Logger
	level slog.Level
}

// Write takes one line.
func (l *library) Write(line []byte) (int, error) {
	text := string(bytes.TrimSpace(line))
	if bytes.Contains(line, []byte("panic")) {
		l.log.Error("a request's handler panicked", "line", text)
	} else {
		l.log.Log(context.Background(), l.level, "a library wrote a line", "line", text)
	}
	return len(line), nil
}
