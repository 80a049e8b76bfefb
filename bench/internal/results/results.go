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
	asked  map[string]Asked
}

// Asked is what a figure of the first target is to be: Most or Least, of which one is
// given, as a figure or as a ratio.
type Asked struct {
	Most, Least float64
	// Of are the targets that it is a ratio to, the better one of those that were
	// measured; none for the figure itself.
	Of []string
	// Figure is that of the others, where it is another one.
	Figure string
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

// Of is the median of a target's figure, false where there is none.
func (r *Results) Of(target, figure string) (median float64, ok bool) {
	values := r.values[figure][target]
	return Median(values), len(values) > 0
}

// Ask says what a figure is to be; the table then tells whether it is.
func (r *Results) Ask(figure string, a Asked) {
	if r.asked == nil {
		r.asked = make(map[string]Asked)
	}
	r.asked[figure] = a
}

// Write writes the table. What was not measured of a target is a dash; a figure of zero
// is 0. Where something was asked for, the last column tells what, and whether the
// medians are so: "met", "missed", or "not measured".
func (r *Results) Write(w io.Writer, targets []string) {
	head := "| |"
	for _, t := range targets {
		head += " " + cmp.Or(r.Titles[t], t) + " |"
	}
	for _, t := range targets[1:] {
		head += " ratio to " + t + " |"
	}
	columns := 2 * len(targets)
	if len(r.asked) > 0 {
		head += " asked |"
		columns++
	}
	fmt.Fprintf(w, "%s\n|%s\n", head, strings.Repeat("---|", columns))
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
		if len(r.asked) > 0 {
			fmt.Fprintf(w, " %s |", r.judge(figure, targets))
		}
		fmt.Fprintln(w)
	}
}

// judge says what was asked of a figure, and whether it is met.
func (r *Results) judge(figure string, targets []string) string {
	a, ok := r.asked[figure]
	if !ok {
		return ""
	}
	limit, sign := a.Most, "≤"
	if a.Least > 0 {
		limit, sign = a.Least, "≥"
	}
	text := fmt.Sprintf("%s %g", sign, limit)
	figures := r.values[figure][targets[0]]
	if len(a.Of) > 0 {
		var names []string
		var others []float64
		for _, t := range a.Of {
			if v := r.values[cmp.Or(a.Figure, figure)][t]; slices.Contains(targets, t) && len(v) > 0 {
				others = append(others, Median(v))
			}
			names = append(names, t)
		}
		text += " × " + strings.Join(names, " or ")
		if len(names) > 1 {
			text += ", the better"
		}
		if a.Figure != "" {
			text += " (" + a.Figure + ")"
		}
		switch {
		case len(others) < len(a.Of):
			return text + ": not measured"
		case a.Least > 0:
			limit *= slices.Max(others)
		default:
			limit *= slices.Min(others)
		}
	}
	v := Median(figures)
	switch {
	case len(figures) == 0:
		return text + ": not measured"
	case a.Least > 0 && v >= limit, a.Least == 0 && v <= limit:
		return text + ": met"
	}
	return text + ": **missed**"
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
