package failover_test

import (
	"fmt"
	"maps"
	"slices"
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

func (r *clusterReport) table(order []string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	b.WriteString(clusterColumns)
	names := slices.Sorted(maps.Keys(r.rows))
	slices.SortStableFunc(names, func(a, b string) int { return slices.Index(order, a) - slices.Index(order, b) })
	for _, name := range names {
		x := r.rows[name]
		again := x.judgement.Connects - x.clients
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d | %d | %d | %d | %d | %d | %.1f s |\n",
			name, x.times, x.clients, x.judgement.Judged, x.lost(), x.disorder(), x.foreign(), x.found("Prompt"), x.judgement.Gaps,
			max(again, 0), x.judgement.Recovered, x.summary.Delay(1).Round(100*time.Millisecond).Seconds())
	}
	return b.String()
}

// publish prints the table, and writes it into the document where CLUSTER_DOC names
// one.
func (r *clusterReport) publish(order []string) error {
	if len(r.rows) == 0 {
		return nil
	}
	return publishTable(r.table(order), "CLUSTER_DOC", "<!-- table: make cluster -->\n", tableEnd)
}
