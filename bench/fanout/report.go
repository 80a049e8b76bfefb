//go:build linux

package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"chatbridge/bench/internal/results"
)

// column is one figure of the table.
type column struct {
	title  string
	value  func(figures) float64
	format string
}

var columns = []column{
	{"connects/s", func(f figures) float64 { return f.Connects }, "%.0f"},
	{"kB idle per client", func(f figures) float64 { return f.IdleKB }, "%.1f"},
	{"CPU at a steady rate", func(f figures) float64 { return f.SteadyCPU }, "%.1f"},
	{"p50 ms there", func(f figures) float64 { return f.SteadyP50.Seconds() * 1e3 }, "%.1f"},
	{"p99 ms there", func(f figures) float64 { return f.SteadyP99.Seconds() * 1e3 }, "%.1f"},
	{"highest k deliveries/s", func(f figures) float64 { return f.Peak }, "%.0f"},
	{"CPU there", func(f figures) float64 { return f.PeakCPU }, "%.2f"},
	{"generator busy", func(f figures) float64 { return 100 * f.Generator }, "%.0f %%"},
	{"disturbed", func(f figures) float64 { return 100 * f.Disturbed }, "%.0f %%"},
}

// ratios is how many of the columns, from the first, are worth a ratio.
const ratios = 7

// report is the table of medians, and that of the ratios to ours.
func report(p plan, rounds map[string][]figures) string {
	var b strings.Builder
	row := func(cells ...string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	titles := []string{"server"}
	for _, c := range columns {
		titles = append(titles, c.title)
	}
	row(titles...)
	row(slices.Repeat([]string{"---"}, len(titles))...)
	for _, name := range p.servers {
		cells := []string{label(name)}
		for _, c := range columns {
			cells = append(cells, cell(c.format, median(rounds[name], c.value)))
		}
		row(cells...)
	}
	for _, name := range p.servers {
		if name == "ours" || rounds["ours"] == nil {
			continue
		}
		cells := []string{"ours ÷ " + name}
		for _, c := range columns[:ratios] {
			ours, theirs := median(rounds["ours"], c.value), median(rounds[name], c.value)
			if theirs == 0 {
				cells = append(cells, "–")
				continue
			}
			cells = append(cells, cell("%.2f", ours/theirs))
		}
		row(append(cells, make([]string, len(columns)-ratios)...)...)
	}
	fmt.Fprintf(&b, "\n%d clients; connects and idle memory with %d; medians of %d.\n", p.clients, p.idle, p.rounds)
	return b.String()
}

func label(name string) string {
	labels := map[string]string{
		"ours": "**chatbridge/socketio**", "node": "Node.js socket.io 4.8.4", "gorilla": "gorilla, prepared frame, no protocol",
		"before": "the same, before",
	}
	return cmp.Or(labels[name], "the same, "+name)
}

func cell(format string, v float64) string {
	if v == 0 {
		return "–"
	}
	return fmt.Sprintf(format, v)
}

// median is that of one figure over the rounds.
func median(f []figures, value func(figures) float64) float64 {
	v := make([]float64, len(f))
	for i := range f {
		v[i] = value(f[i])
	}
	return results.Median(v)
}
