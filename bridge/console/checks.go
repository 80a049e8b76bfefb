package console

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// checkTime bounds a run, checkPause is the least time from the start of one to that
	// of the next: each opens connections to the database.
	checkTime  = 90 * time.Second
	checkPause = 10 * time.Second
)

// Finding is one of `bridge check`.
type Finding struct {
	ID     string `json:"id"`
	Object string `json:"object,omitempty"`
	// Level is ok, warn or fail.
	Level   string `json:"level"`
	What    string `json:"what"`
	Meaning string `json:"meaning,omitempty"`
	Fix     string `json:"fix,omitempty"`
	// Runbook is the heading under which the runbook has the finding.
	Runbook string `json:"runbook,omitempty"`
}

// Checked is the latest run.
type Checked struct {
	Running bool `json:"running"`
	// Started is zero before the first run; Finished is that of the findings.
	Started  time.Time `json:"started,omitzero"`
	Finished time.Time `json:"finished,omitzero"`
	Findings []Finding `json:"findings"`
}

// checks runs them when somebody asks, one at a time.
type checks struct {
	do    func(ctx context.Context) []Finding
	asked chan struct{} // of capacity 1

	mu   sync.Mutex
	last Checked
}

// ask requests a run, and reports whether one begins: not while one runs, nor within checkPause
// of the start of the last.
func (c *checks) ask(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last.Running || !c.last.Started.IsZero() && now.Sub(c.last.Started) < checkPause {
		return false
	}
	c.last.Running, c.last.Started = true, now
	c.asked <- struct{}{} // it is empty: none runs
	return true
}

// latest returns a copy of the last run.
func (c *checks) latest() Checked {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.last
	out.Findings = slices.Clone(out.Findings)
	return out
}

// run runs what is asked for until ctx ends.
func (c *checks) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.asked:
		}
		bounded, cancel := context.WithTimeout(ctx, checkTime)
		found := c.do(bounded)
		cancel()
		c.mu.Lock()
		c.last.Running, c.last.Finished, c.last.Findings = false, time.Now(), found
		c.mu.Unlock()
	}
}
