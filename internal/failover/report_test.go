package failover_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"chatbridge/internal/failover"
)

// row is one line of the report.
type row struct {
	Scenario, Way     string
	Failures, Clients int
	Summary           failover.Summary
	Verdict           failover.Verdict
	Judgement         failover.Judgement
}

// report collects the rows of all scenarios.
type report struct {
	mu   sync.Mutex
	rows []row
}

// reported is the report of this run; TestMain prints it, so it is global.
var reported report

// add adds a row, or adds to the one of the same scenario and way.
func (r *report) add(n row) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, old := range r.rows {
		if old.Scenario == n.Scenario && old.Way == n.Way {
			n.Failures += old.Failures
			n.Verdict.Missing += old.Verdict.Missing
			n.Verdict.Status += old.Verdict.Status
			n.Verdict.Disorder += old.Verdict.Disorder
			n.Verdict.Extra += old.Verdict.Extra
			n.Verdict.List += old.Verdict.List
			n.Judgement.Merge(old.Judgement)
			r.rows[i] = n // the clients' counters go on counting
			return
		}
	}
	r.rows = append(r.rows, n)
}

// table is the report as Markdown.
func (r *report) table() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	b.WriteString("| failure | way | times | events | reconnects | duplicates dropped | median delay | worst gap | missing | wrong status | out of order | violations in histories |\n")
	b.WriteString("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, x := range r.rows {
		fmt.Fprintf(&b, "| %s | %s | %d | %d | %d | %d | %d ms | %.1f s | %d | %d | %d | %s |\n",
			x.Scenario, x.Way, x.Failures, x.Summary.Events, x.Summary.Connects-x.Clients, x.Summary.Duplicates, x.Summary.Delay(0.5).Milliseconds(),
			x.Summary.Delay(1).Seconds(), x.Verdict.Missing, x.Verdict.Status+x.Verdict.List, x.Verdict.Disorder+x.Verdict.Extra, violations(x.Judgement))
	}
	return b.String()
}

// The document's table stands between these.
const (
	tableBegin = "<!-- table: make failover -->\n"
	tableEnd   = "<!-- end of table -->\n"
)

// publish prints the table, and writes it into the document where FAILOVER_DOC
// names one.
func (r *report) publish() error {
	if len(r.rows) == 0 {
		return nil
	}
	return publishTable(r.table(), "FAILOVER_DOC", tableBegin, tableEnd)
}

// publishTable prints a table, and writes it between begin and end into the document
// that a variable of the environment names.
func publishTable(table, variable, begin, end string) error {
	fmt.Print("\n" + table + "\n")
	name := os.Getenv(variable)
	if name == "" {
		return nil
	}
	return writeTable(name, table, begin, end)
}

// writeTable writes a table between begin and end into a document.
func writeTable(name, table, begin, end string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, rest, ok1 := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		return fmt.Errorf("%s has no place for the table", name)
	}
	return os.WriteFile(name, []byte(before+begin+table+end+after), 0o644)
}

// violations is a judgement in a table's cell.
func violations(j failover.Judgement) string {
	if j.Clean() {
		return "0"
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(j.Found)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, j.Found[name]))
	}
	if j.Gaps > 0 {
		parts = append(parts, fmt.Sprintf("gaps reported %d", j.Gaps))
	}
	return strings.Join(parts, ", ")
}
