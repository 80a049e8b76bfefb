package failover_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"chatbridge/internal/failover"
)

// clusterRow is one fault in the table of docs/cluster.md.
type clusterRow struct {
	fault          string
	times, clients int
	summary        failover.Summary
	verdict        failover.Verdict
	judgement      failover.Judgement
}

// lost is what clients miss by what they show, and by their histories.
func (r *clusterRow) lost() int {
	return r.verdict.Missing + r.found("Reliable") + r.found("Resumable") + r.found("Honest")
}

// disorder is what is shown in another order or with another state.
func (r *clusterRow) disorder() int {
	return r.verdict.Disorder + r.verdict.Status + r.verdict.List + r.found("Ordered")
}

// foreign is what is of another workspace, or of nobody's.
func (r *clusterRow) foreign() int {
	return r.summary.Foreign + r.verdict.Extra + r.found("Isolated") + r.found("Bounded")
}

func (r *clusterRow) found(validator string) int { return r.judgement.Found[validator] }

// clusterReport collects the rows of this run; TestMain publishes it.
type clusterReport struct {
	mu   sync.Mutex
	rows map[string]clusterRow
}

var clusterReported clusterReport

func (r *clusterReport) add(row clusterRow) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rows == nil {
		r.rows = make(map[string]clusterRow)
	}
	r.rows[row.fault] = row
}

// The columns of the table.
const clusterColumns = "| fault | times | clients | events | lost | out of order | foreign | late | gaps told | reconnects | restored | worst delay |\n" +
	"|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n"

func (r *clusterReport) table(order []string, former map[string]string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	b.WriteString(clusterColumns)
	for _, name := range order {
		x, shown := r.rows[name]
		if !shown {
			b.WriteString(former[name])
			continue
		}
		again := x.judgement.Connects - x.clients
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d | %d | %d | %d | %d | %d | %.1f s |\n",
			name, x.times, x.clients, x.judgement.Judged, x.lost(), x.disorder(), x.foreign(), x.found("Prompt"), x.judgement.Gaps,
			max(again, 0), x.judgement.Recovered, x.summary.Delay(1).Round(100*time.Millisecond).Seconds())
	}
	return b.String()
}

// publish prints the table, and writes it into the document where CLUSTER_DOC names
// one: rows of faults that this run has not shown stay.
func (r *clusterReport) publish(order []string) error {
	if len(r.rows) == 0 {
		return nil
	}
	former := map[string]string{}
	if name := os.Getenv("CLUSTER_DOC"); name != "" {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			if cells := strings.Split(line, " | "); len(cells) == 12 {
				former[strings.TrimPrefix(cells[0], "| ")] = line
			}
		}
	}
	return publishTable(r.table(order, former), "CLUSTER_DOC", "<!-- table: make cluster -->\n", tableEnd)
}
