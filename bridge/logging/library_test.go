package logging_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"chatbridge/bridge/logging"
)

// TestLibrary: what a library writes has one name, and a panic that it caught is an error.
func TestLibrary(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := logging.New(&out, logging.Options{Format: logging.JSON}).Logger()
	library := logging.Library(log, slog.LevelInfo)
	library.Printf("Unsolicited response received on idle HTTP channel starting with %q", "HTTP/1.1 408")
	library.Print("http: panic serving 192.0.2.1:1: boom")
	for _, want := range []string{`"level":"INFO","msg":"a library wrote a line","line":"Unsolicited response`, `"event":"a_library_wrote_a_line"`, `"level":"ERROR"`, `"event":"a_requests_handler_panicked"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in %s", want, out.String())
		}
	}
}

// TestNoTimeIsNoYear: a time that is not known is left out.
func TestNoTimeIsNoYear(t *testing.T) {
	t.Parallel()
	for _, format := range []string{logging.JSON, logging.Text} {
		var out bytes.Buffer
		logging.New(&out, logging.Options{Format: format}).Logger().Warn("changes may be lost", "since", time.Time{}, "until", time.Unix(1, 0))
		if s := out.String(); strings.Contains(s, "0001-01-01") || strings.Contains(s, "since") || !strings.Contains(s, "until") {
			t.Error(s)
		}
	}
}
