package nearest_test

import (
	"testing"

	"chatbridge/internal/nearest"
)

func TestOf(t *testing.T) {
	words := []string{"listen", "path", "source.postgres.url", "source.postgres.slot"}
	for s, want := range map[string]string{
		"lisen":               "listen",
		"LISTEN":              "listen",
		"lsiten":              "listen",
		"pth":                 "path",
		"source.postgres.uri": "source.postgres.url",
		"source.postgres.slt": "source.postgres.slot",
		"nothing like it":     "",
		"":                    "",
	} {
		if got := nearest.Of(s, words); got != want {
			t.Errorf("Of(%q) = %q, want %q", s, got, want)
		}
	}
	if got := nearest.Of("x", nil); got != "" {
		t.Errorf("of no words: %q", got)
	}
}
