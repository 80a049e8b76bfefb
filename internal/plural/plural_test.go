package plural_test

import (
	"testing"

	"chatbridge/internal/plural"
)

func TestOf(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0 clients", 1: "1 client", 2: "2 clients"} {
		if got := plural.Of(n, "client", "clients"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
