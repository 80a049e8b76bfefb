package failover_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// clusterReport writes the table of docs/cluster.md, and says how far a run is.
type clusterReport struct {
	mu     sync.Mutex
	record *clusterRecord
	began  time.Time
	// done and all are weights of sittings, for the estimate of what is left; rounds is
	// how many are left.
	done, all time.Duration
	rounds    int
}

var clusterReported clusterReport

// start begins with what is recorded.
func (r *clusterReport) start() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.began = time.Now()
	var err error
	r.record, err = openClusterRecord()
	return err
}

// shown is how often the fault was shown already.
func (r *clusterReport) shown(name string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.record.rows[name].Times
}

// plan notes a sitting that is to come, and about how long it takes.
func (r *clusterReport) plan(rounds int, weight time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rounds += rounds
	r.all += weight
}

// ended says that a sitting has ended; row is nil where it has shown nothing.
func (r *clusterReport) ended(row *clusterRow, rounds int, weight time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done += weight
	r.rounds -= rounds
	took := time.Since(r.began)
	left := time.Duration(float64(took) * float64(r.all-r.done) / float64(r.done))
	fmt.Fprintf(os.Stderr, "cluster faults: %d rounds to go after %v; some %.0f min left\n", r.rounds, took.Round(time.Second), left.Minutes())
	if row == nil {
		return nil
	}
	if err := r.record.add(*row); err != nil {
		return err
	}
	return r.publish(faultNames())
}

// The columns of the table.
const clusterColumns = "| fault | times | clients | events | lost | out of order | foreign | late | gaps told | reconnects | restored | worst delay | commit |\n" +
	"|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|\n"

// table has the rows of this run, and of other revisions where this one has none.
func (r *clusterReport) table(order []string, former map[string]string) string {
	var b strings.Builder
	b.WriteString(clusterColumns)
	for _, name := range order {
		x, shown := r.record.rows[name]
		if !shown {
			b.WriteString(former[name])
			continue
		}
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d | %d | %d | %d | %d | %d | %.1f s | %s |\n",
			name, x.Times, x.Clients, x.Events, x.Lost, x.Disorder, x.Foreign, x.Late, x.Gaps, x.Reconnects, x.Restored,
			x.Worst.Round(100*time.Millisecond).Seconds(), x.Revision)
	}
	return b.String()
}

// publish writes the table into the document where CLUSTER_DOC names one.
func (r *clusterReport) publish(order []string) error {
	name := os.Getenv("CLUSTER_DOC")
	if name == "" {
		return nil
	}
	former, err := rowsOf(name)
	if err != nil {
		return err
	}
	return writeTable(name, r.table(order, former), clusterTableBegin, tableEnd)
}

const clusterTableBegin = "<!-- table: make cluster -->\n"

// rowsOf are the rows of the table in the document, by fault.
func rowsOf(document string) (map[string]string, error) {
	text, err := os.ReadFile(document)
	if err != nil {
		return nil, err
	}
	rows := map[string]string{}
	header, _, _ := strings.Cut(clusterColumns, "\n")
	columns := strings.Count(header, " | ") + 1
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(line, " | "); len(cells) == columns {
			rows[strings.TrimPrefix(cells[0], "| ")] = line
		}
	}
	return rows, nil
}

// print prints the table, for the log of a run.
func (r *clusterReport) print() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.record != nil && len(r.record.rows) > 0 {
		fmt.Print("\n" + r.table(faultNames(), nil) + "\n")
	}
}
