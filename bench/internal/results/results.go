// Package results collects the figures of all rounds of a benchmark and writes
// them as a Markdown table of medians, with the ratios of the first target to the
// others.
package results

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Results are figures, by what was measured and of whom. The zero value is empty and
// ready.
type Results struct {
	// Titles are the columns' heads, by target; one that is missing is the target's
	// name.
	Titles map[string]string
	order  []string
	values map[string]map[string][]float64
}

// Add adds the figure of one round.
func (r *Results) Add(target, figure string, v float64) {
	if r.values == nil {
		r.values = make(map[string]map[string][]float64)
	}
	if r.values[figure] == nil {
		r.values[figure] = make(map[string][]float64)
		r.order = append(r.order, figure)
	}
	r.values[figure][target] = append(r.values[figure][target], v)
}

// Write writes the table. What was not measured of a target is a dash; a figure of zero
// is 0.
func (r *Results) Write(w io.Writer, targets []string) {
	head := "| |"
	for _, t := range targets {
		head += " " + cmp.Or(r.Titles[t], t) + " |"
	}
	for _, t := range targets[1:] {
		head += " ratio to " + t + " |"
	}
	fmt.Fprintf(w, "%s\n|%s\n", head, strings.Repeat("---|", 2*len(targets)))
	for _, figure := range r.order {
		fmt.Fprintf(w, "| %s |", figure)
		of := r.values[figure]
		for _, t := range targets {
			fmt.Fprintf(w, " %s |", show(of[t]))
		}
		for _, t := range targets[1:] {
			ratio := "–"
			if first, v := Median(of[targets[0]]), Median(of[t]); len(of[targets[0]]) > 0 && v > 0 {
				ratio = fmt.Sprintf("%.2f", first/v)
			}
			fmt.Fprintf(w, " %s |", ratio)
		}
		fmt.Fprintln(w)
	}
}

func show(values []float64) string {
	v := Median(values)
	switch {
	case len(values) == 0:
		return "–"
	case v == float64(int(v)) || v >= 1000:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// Median is that of the values, 0 of none; of an even number the mean of the two in
// the middle.
func Median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	if len(v) == 0 {
		return 0
	}
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}
