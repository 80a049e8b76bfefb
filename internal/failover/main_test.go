package failover_test

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"testing"

	"chatbridge/internal/failover"
	"chatbridge/internal/throwaway/pgtest"
)

func TestMain(m *testing.M) {
	if os.Getenv(spinEnv) != "" {
		spin()
	}
	flag.Parse()
	if !full() {
		// The scenarios mostly wait.
		parallel := 4
		if clusterLong() {
			parallel = clusterParallel()
		}
		if err := flag.Set("test.parallel", strconv.Itoa(parallel)); err != nil {
			panic(err)
		}
	}
	code := pgtest.Main(m)
	failover.CleanUp()
	if err := reported.publish(); err != nil {
		fmt.Fprintln(os.Stderr, "publish the report:", err)
		code = 1
	}
	clusterReported.print()
	os.Exit(code)
}
