//go:build linux

package main

import (
	"fmt"
	"io"
	"slices"
)

// results are the figures of all rounds, by what was measured and of whom.
type results struct {
	order  []string
	values map[string]map[string][]float64
}

func newResults() *results { return &results{values: make(map[string]map[string][]float64)} }

func (r *results) add(target, figure string, v float64) {
	if r.values[figure] == nil {
		r.values[figure] = make(map[string][]float64)
		r.order = append(r.order, figure)
	}
	r.values[figure][target] = append(r.values[figure][target], v)
}

// print prints a table of medians, and the ratio of the bridge to Node.
func (r *results) print(w io.Writer) {
	fmt.Fprintln(w, "| | bridge | Node, ~60 lines | ratio |")
	fmt.Fprintln(w, "|---|---|---|---|")
	for _, figure := range r.order {
		ours, node := median(r.values[figure]["bridge"]), median(r.values[figure]["node"])
		ratio := "–"
		if ours > 0 && node > 0 {
			ratio = fmt.Sprintf("%.2f", ours/node)
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s |\n", figure, show(ours), show(node), ratio)
	}
}

func show(v float64) string {
	switch {
	case v == 0:
		return "–"
	case v >= 1000:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	return v[len(v)/2]
}
