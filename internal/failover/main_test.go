package failover_test

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"chatbridge/internal/failover"
	"chatbridge/internal/throwaway/pgtest"
)

func TestMain(m *testing.M) {
	if os.Getenv(spinEnv) != "" {
		spin()
	}
	flag.Parse()
	if !full() && !clusterLong() {
		// The scenarios mostly wait.
		if err := flag.Set("test.parallel", "4"); err != nil {
			panic(err)
		}
	}
	code := pgtest.Main(m)
	failover.CleanUp()
	if err := reported.publish(); err != nil {
		fmt.Fprintln(os.Stderr, "publish the report:", err)
		code = 1
	}
	if err := clusterReported.publish(faultNames()); err != nil {
		fmt.Fprintln(os.Stderr, "publish the report of the clusters:", err)
		code = 1
	}
	os.Exit(code)
}
