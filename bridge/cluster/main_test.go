package cluster_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain finds goroutines that are left. One of the library looks once a second whether
// its client was closed, where a server could not be reached.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}
