package mutants

import (
	"fmt"
	"strconv"
	"strings"
)

const columns = "| change | would cost | file | killed by | seconds |\n|---|---|---|---|---:|\n"

// row is a result as a line of Markdown.
func (r *Result) row() string {
	by := "**" + string(r.Outcome) + "**"
	if r.Outcome == Killed {
		by = "`" + strings.Join(r.By, "`, `") + "`"
	}
	return fmt.Sprintf("| %s | %s | `%s` | %s | %.1f |\n", r.Mutant.Name, r.Mutant.Why, r.Mutant.File, by, r.Took.Seconds())
}

// Document is docs/mutants.md, in the order of the list. What was not tried has the row
// that it has in the former document, if any.
func Document(list []Mutant, results []Result, former string) string {
	rows := make(map[string]string)
	for line := range strings.Lines(former) {
		if cells := strings.Split(line, " | "); len(cells) == 5 {
			rows[strings.TrimPrefix(cells[0], "| ")] = line
		}
	}
	for i := range results {
		rows[results[i].Mutant.Name] = results[i].row()
	}
	var table strings.Builder
	table.WriteString(columns)
	killed, all, took := 0, 0, 0.0
	for _, m := range list {
		line, ok := rows[m.Name]
		if !ok {
			continue
		}
		table.WriteString(line)
		all++
		cells := strings.Split(line, " | ")
		if !strings.HasPrefix(cells[3], "**") {
			killed++
		}
		seconds, _ := strconv.ParseFloat(strings.TrimSuffix(cells[4], " |\n"), 64)
		took += seconds
	}
	return fmt.Sprintf(`# Changes that the tests must notice

Written by `+"`make mutants`"+`. Each line is one place of the code, broken; the tests beside it were run and failed. What is
broken exactly is in `+"`internal/mutants`"+`, and docs/proof.md says what this is for.

%d of %d are killed; their tests took %.0f s in all.

%s`, killed, all, took, table.String())
}
