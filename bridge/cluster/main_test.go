package cluster_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain finds goroutines that are left.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
