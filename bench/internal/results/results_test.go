package results_test

import (
	"strings"
	"testing"

	"chatbridge/bench/internal/results"
)

func TestTable(t *testing.T) {
	r := results.Results{Titles: map[string]string{"a": "A"}}
	for _, v := range []float64{3, 1, 2} {
		r.Add("a", "x", v)
	}
	r.Add("b", "x", 4)
	r.Add("b", "y", 0)
	var b strings.Builder
	r.Write(&b, []string{"a", "b"})
	want := "| | A | b | ratio to b |\n|---|---|---|---|\n| x | 2 | 4 | 0.50 |\n| y | – | 0 | – |\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestMedian(t *testing.T) {
	for want, values := range map[float64][]float64{0: nil, 3: {3}, 2.5: {4, 1, 2, 3}, 2: {9, 2, 1}} {
		if got := results.Median(values); got != want {
			t.Errorf("median of %v = %v, want %v", values, got, want)
		}
	}
}
