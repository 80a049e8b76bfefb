package realtimedouble_test

import (
	"flag"
	"os"
	"testing"

	"chatbridge/internal/throwaway/pgtest"
)

func TestMain(m *testing.M) {
	// These tests wait for sockets and databases, not for the processor: more
	// of them at once than there are processors.
	_ = flag.Set("test.parallel", "8")
	os.Exit(pgtest.Main(m))
}
