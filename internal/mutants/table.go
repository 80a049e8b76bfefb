package mutants

import (
	"fmt"
	"strings"
	"time"
)

// Table is the results as Markdown.
func Table(results []Result) string {
	var b strings.Builder
	b.WriteString("| change | would cost | file | killed by | seconds |\n|---|---|---|---|---:|\n")
	for _, r := range results {
		by := "**" + string(r.Outcome) + "**"
		if r.Outcome == Killed {
			by = "`" + strings.Join(r.By, "`, `") + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | `%s` | %s | %.1f |\n", r.Mutant.Name, r.Mutant.Why, r.Mutant.File, by, r.Took.Seconds())
	}
	return b.String()
}

// Document is docs/mutants.md.
func Document(results []Result) string {
	killed := 0
	var took time.Duration
	for _, r := range results {
		if r.Outcome == Killed {
			killed++
		}
		took += r.Took
	}
	return fmt.Sprintf(`# Changes that the tests must notice

Written by `+"`make mutants`"+`. Each line is one place of the code, broken; the tests beside it were run and failed. What is
broken exactly is in `+"`internal/mutants`"+`, and docs/proof.md says what this is for.

%d of %d are killed; their tests took %.0f s in all.

%s`, killed, len(results), took.Seconds(), Table(results))
}
