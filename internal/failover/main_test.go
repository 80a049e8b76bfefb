package failover_test

import (
	"fmt"
	"os"
	"testing"

	"chatbridge/internal/failover"
	"chatbridge/internal/throwaway/pgtest"
)

func TestMain(m *testing.M) {
	code := pgtest.Main(m)
	failover.CleanUp()
	if err := reported.publish(); err != nil {
		fmt.Fprintln(os.Stderr, "publish the report:", err)
		code = 1
	}
	os.Exit(code)
}
