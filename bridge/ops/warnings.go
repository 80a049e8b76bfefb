package ops

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"chatbridge/mapping"
	"chatbridge/mapping/engine"
)

// maxWarnings bounds what /status lists.
const maxWarnings = 50

// Warnings is what the operator should deal with: logged once, and the newest
// listed in /status. Safe for concurrent use.
type Warnings struct {
	log *slog.Logger

	mu    sync.Mutex
	lines []string
}

// NewWarnings returns Warnings that log to log.
func NewWarnings(log *slog.Logger) *Warnings { return &Warnings{log: log} }

// Row takes a warning of the mapper.
func (w *Warnings) Row(m engine.Warning) {
	w.log.Warn("a row is not what the mapping expects", "detail", m.Detail, "reason", m.Reason, "table", m.Table, "key", m.Key)
	w.add(fmt.Sprintf("%s %s: %s", m.Table, m.Reason, m.Detail))
}

// Problem takes what does not fit between the mapping and the database.
func (w *Warnings) Problem(p mapping.Problem) {
	w.log.Warn("the mapping does not fit the database", "fault", p.Text, "file", p.File, "line", p.Line)
	w.add(fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text))
}

// Lookup takes what look-ups have no right to read.
func (w *Warnings) Lookup(text string) {
	w.log.Warn("a look-up has no right to what it reads", "fault", text)
	w.add(text)
}

func (w *Warnings) add(line string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.lines) == maxWarnings {
		w.lines = w.lines[1:]
	}
	w.lines = append(w.lines, time.Now().UTC().Format(time.RFC3339)+" "+line)
}

// Lines returns the newest warnings, oldest first, each with its time in front.
func (w *Warnings) Lines() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.lines)
}
