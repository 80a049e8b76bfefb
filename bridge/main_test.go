package bridge_test

import (
	"os"
	"testing"

	"chatbridge/internal/chromium"
	"chatbridge/internal/throwaway/pgtest"
)

// TestMain ends the shared Postgres and browser, and finds goroutines that are left.
func TestMain(m *testing.M) { os.Exit(pgtest.Main(browserStopper{m})) }

// browserStopper ends the browser after the tests.
type browserStopper struct{ *testing.M }

func (b browserStopper) Run() int {
	defer chromium.Stop()
	return b.M.Run()
}
