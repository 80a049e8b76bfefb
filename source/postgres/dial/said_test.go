package dial_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"chatbridge/source/postgres/dial"
)

// TestSaidOnce: the two attempts of sslmode=prefer are one cause, on one line.
func TestSaidOnce(t *testing.T) {
	t.Parallel()
	_, err := dial.Connect(t.Context(), "postgres://u:p@127.0.0.1:1/db", "test", time.Minute)
	if err == nil {
		t.Fatal("something listens at port 1")
	}
	if said := dial.Said(err); strings.Count(said, "connection refused") != 1 || strings.ContainsAny(said, "\n\t") || !strings.Contains(said, "127.0.0.1:1") {
		t.Errorf("%q", said)
	}
	if _, err := dial.Connect(t.Context(), "postgres://u:p@127.0.0.1:1,127.0.0.1:2/db", "test", time.Minute); err == nil || strings.Count(dial.Said(err), "connection refused") != 2 {
		t.Errorf("of two addresses: %v", err)
	}
	if said := dial.Said(errors.New("one line")); said != "one line" {
		t.Errorf("%q", said)
	}
}
