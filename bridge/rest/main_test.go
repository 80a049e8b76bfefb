package rest_test

import (
	"os"
	"testing"

	"chatbridge/internal/throwaway/pgtest"
)

// TestMain ends the shared Postgres and finds goroutines that are left.
func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
