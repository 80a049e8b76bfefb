package failover_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"chatbridge/internal/failover"
)

// clusterRow is what one sitting has shown of a fault, or several of them together: a
// row in the table of docs/cluster.md.
type clusterRow struct {
	Fault, Revision string
	// Times is how often the fault took effect.
	Times, Clients int
	// Events are those received, Reconnects and Restored connections.
	Events, Lost, Disorder, Foreign, Late, Gaps, Reconnects, Restored int
	// Worst is the longest time from a message's creation to its arrival, Took that of
	// the sitting.
	Worst, Took time.Duration
}

func newClusterRow(name string, times, clients int, s failover.Summary, v failover.Verdict, j failover.Judgement) clusterRow {
	found := func(validators ...string) (n int) {
		for _, name := range validators {
			n += j.Found[name]
		}
		return n
	}
	return clusterRow{
		Fault: name, Times: times, Clients: clients, Events: j.Judged,
		Lost:       v.Missing + found("Reliable", "Resumable", "Honest") + len(s.Failures),
		Disorder:   v.Disorder + v.Status + v.List + found("Ordered"),
		Foreign:    s.Foreign + v.Extra + found("Isolated", "Bounded"),
		Late:       found("Prompt"),
		Gaps:       j.Gaps,
		Reconnects: j.Connects - j.Pages, Restored: j.Recovered,
		Worst: s.Delay(1),
	}
}

// add adds another sitting of the same fault.
func (r *clusterRow) add(o *clusterRow) {
	r.Fault, r.Revision, r.Clients = o.Fault, o.Revision, o.Clients
	r.Times += o.Times
	r.Events += o.Events
	r.Lost += o.Lost
	r.Disorder += o.Disorder
	r.Foreign += o.Foreign
	r.Late += o.Late
	r.Gaps += o.Gaps
	r.Reconnects += o.Reconnects
	r.Restored += o.Restored
	r.Worst = max(r.Worst, o.Worst)
	r.Took += o.Took
}

// clusterRecord keeps what sittings have shown as a file each in the folder CLUSTER_RECORD,
// so that a run goes on where another one of the same revision was broken off. Without
// the folder it forgets.
type clusterRecord struct {
	dir, revision string
	rows          map[string]clusterRow // by fault
	files         int
}

// openClusterRecord reads what there is of this revision.
func openClusterRecord() (*clusterRecord, error) {
	r := &clusterRecord{dir: os.Getenv("CLUSTER_RECORD"), rows: make(map[string]clusterRow)}
	var err error
	if r.revision, err = revision(); err != nil || r.dir == "" {
		return r, err
	}
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return nil, err
	}
	names, err := filepath.Glob(filepath.Join(r.dir, "*.json"))
	if err != nil {
		return nil, err
	}
	r.files = len(names)
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var row clusterRow
		if err := json.Unmarshal(text, &row); err != nil {
			return nil, fmt.Errorf("read %s: %w; remove it", name, err)
		}
		if row.Revision == r.revision {
			r.take(row)
		}
	}
	return r, nil
}

func (r *clusterRecord) take(row clusterRow) {
	sum := r.rows[row.Fault]
	sum.add(&row)
	r.rows[row.Fault] = sum
}

// add keeps what a sitting has shown.
func (r *clusterRecord) add(row clusterRow) error {
	row.Revision = r.revision
	r.take(row)
	if r.dir == "" {
		return nil
	}
	text, err := json.MarshalIndent(row, "", "\t")
	if err != nil {
		return err
	}
	// O_EXCL: two runs may keep theirs in one folder.
	for {
		r.files++
		name := filepath.Join(r.dir, fmt.Sprintf("%04d.json", r.files))
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		_, err = f.Write(append(text, '\n'))
		return errors.Join(err, f.Close())
	}
}

// revision names the code that runs: the last commit that touched more than documents,
// and what differs from it.
func revision() (string, error) {
	git := func(args ...string) (string, error) {
		cmd := exec.Command("git", append(args, "--", ".", ":!docs/*.md", ":!*.md")...)
		cmd.Dir = failover.Root()
		out, err := cmd.Output()
		if err != nil {
			return "", fmt.Errorf("git %s: %w", args[0], err)
		}
		return strings.TrimSpace(string(out)), nil
	}
	commit, err := git("log", "-1", "--format=%h")
	if err != nil {
		// Not a repository: nothing is known to be the same the next time.
		return "of " + time.Now().UTC().Format("20060102T150405Z"), nil
	}
	changes, err := git("diff", "HEAD")
	if err != nil {
		return "", err
	}
	added, err := git("ls-files", "--others", "--exclude-standard")
	if changes += added; err != nil || changes == "" {
		return commit, err
	}
	return fmt.Sprintf("%s+%.4x", commit, sha256.Sum256([]byte(changes))), nil
}
