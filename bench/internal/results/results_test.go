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

func TestAsked(t *testing.T) {
	r := results.Results{}
	for target, v := range map[string]float64{"a": 4, "b": 10, "c": 8} {
		for _, figure := range []string{"cpu", "better", "rate", "alone", "free"} {
			r.Add(target, figure, v)
		}
	}
	r.Add("a", "other", 3)
	r.Ask("cpu", results.Asked{Most: 0.4, Of: []string{"b"}})
	r.Ask("better", results.Asked{Most: 0.4, Of: []string{"b", "c"}})
	r.Ask("rate", results.Asked{Least: 0.5, Of: []string{"b", "c"}})
	r.Ask("alone", results.Asked{Most: 4})
	r.Ask("other", results.Asked{Most: 0.25, Of: []string{"b"}, Figure: "cpu"})
	table := func(targets ...string) string {
		var b strings.Builder
		r.Write(&b, targets)
		return b.String()
	}
	for _, want := range []string{
		"| 0.40 | 0.50 | ≤ 0.4 × b: met |", "| ≤ 0.4 × b or c, the better: **missed** |", "| ≥ 0.5 × b or c, the better: **missed** |",
		"| ≤ 4: met |", "| 0.50 |  |\n", "| ≤ 0.25 × b (cpu): **missed** |", "|---|---|---|---|---|---|---|\n",
	} {
		if got := table("a", "b", "c"); !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if got, want := table("a", "b"), "≤ 0.4 × b or c, the better: not measured |"; !strings.Contains(got, want) {
		t.Errorf("no %q in\n%s", want, got)
	}
}

func TestMedian(t *testing.T) {
	for want, values := range map[float64][]float64{0: nil, 3: {3}, 2.5: {4, 1, 2, 3}, 2: {9, 2, 1}} {
		if got := results.Median(values); got != want {
			t.Errorf("median of %v = %v, want %v", values, got, want)
		}
	}
}
