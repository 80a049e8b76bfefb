package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"chatbridge/bench/internal/results"
)

// worth is what a change has to give, as a share of the time, to be kept for its speed.
const worth = 0.03

// summary is one line on the time of all benchmarks that both sides have.
func summary(before, after string) string {
	old, now := times(before), times(after)
	n, sum := 0, 0.0
	for name, values := range now {
		if was := results.Median(old[name]); was > 0 {
			n++
			sum += math.Log(results.Median(values) / was)
		}
	}
	if n == 0 {
		return "There is no benchmark that both have.\n"
	}
	ratio := math.Exp(sum / float64(n))
	verdict := fmt.Sprintf("less than %.0f %% either way", 100*worth)
	switch {
	case ratio <= 1-worth:
		verdict = fmt.Sprintf("%.0f %% or more faster", 100*worth)
	case ratio >= 1+worth:
		verdict = fmt.Sprintf("%.0f %% or more slower", 100*worth)
	}
	return fmt.Sprintf("Time of %d benchmarks, geometric mean of medians: after ÷ before = %.3f, %s.\n", n, ratio, verdict)
}

// times are nanoseconds per operation, by benchmark, of the output of go test.
func times(out string) map[string][]float64 {
	values := map[string][]float64{}
	pkg := ""
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		switch {
		case len(f) == 2 && f[0] == "pkg:":
			pkg = f[1]
		case len(f) >= 4 && strings.HasPrefix(f[0], "Benchmark"):
			for i := 3; i < len(f); i += 2 {
				if v, err := strconv.ParseFloat(f[i-1], 64); err == nil && f[i] == "ns/op" && v > 0 {
					values[pkg+" "+f[0]] = append(values[pkg+" "+f[0]], v)
				}
			}
		}
	}
	return values
}
