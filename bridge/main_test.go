package bridge_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"

	"chatbridge/bridge"
	"chatbridge/configs"
	"chatbridge/internal/chromium"
	"chatbridge/internal/throwaway/pgtest"
)

// childEnv makes the test binary a bridge of its own, which a test may kill.
const childEnv = "CHATBRIDGE_TEST_CHILD"

// TestMain ends the shared Postgres and browser, and finds goroutines that are left.
func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		if err := runChild(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(pgtest.Main(browserStopper{m}))
}

// browserStopper ends the browser after the tests.
type browserStopper struct{ *testing.M }

func (b browserStopper) Run() int {
	defer chromium.Stop()
	return b.M.Run()
}

// runChild runs a bridge that the environment configures, and prints where it serves.
func runChild() error {
	cfg, err := configs.Load(configs.Sources{Complete: true, Env: os.Environ()})
	if err != nil {
		return err
	}
	d, err := bridge.New(cfg, bridge.Options{Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		return err
	}
	if err := d.Listen(); err != nil {
		return err
	}
	fmt.Println(d.Addr())
	return d.Run(context.Background())
}
