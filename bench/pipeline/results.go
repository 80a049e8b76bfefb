//go:build linux

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
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

// titles are the columns' heads.
var titles = map[string]string{"bridge": "bridge", "node": "Node, ~60 lines", "before": "bridge before"}

// print prints a table of medians, and the ratios of the first target to the
// others.
func (r *results) print(w io.Writer, targets []string) {
	head := "| |"
	for _, t := range targets {
		head += " " + titles[t] + " |"
	}
	for _, t := range targets[1:] {
		head += " ratio to " + t + " |"
	}
	fmt.Fprintf(w, "%s\n|%s\n", head, strings.Repeat("---|", 2*len(targets)))
	for _, figure := range r.order {
		fmt.Fprintf(w, "| %s |", figure)
		first := median(r.values[figure][targets[0]])
		for _, t := range targets {
			fmt.Fprintf(w, " %s |", show(median(r.values[figure][t])))
		}
		for _, t := range targets[1:] {
			ratio := "–"
			if v := median(r.values[figure][t]); first > 0 && v > 0 {
				ratio = fmt.Sprintf("%.2f", first/v)
			}
			fmt.Fprintf(w, " %s |", ratio)
		}
		fmt.Fprintln(w)
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
