package readback_test

import (
	"os"
	"testing"

	"chatbridge/internal/throwaway/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
