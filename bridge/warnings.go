package bridge

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"chatbridge/mapping"
	"chatbridge/mapping/engine"
)

// maxWarnings bounds what /status lists.
const maxWarnings = 50

// warnings is what the operator should look into: logged once, and listed in
// /status.
type warnings struct {
	log *slog.Logger

	mu    sync.Mutex
	lines []string
}

// mapping takes a warning of the mapper.
func (w *warnings) mapping(m engine.Warning) {
	w.log.Warn("a row is not what the mapping expects", "detail", m.Detail, "reason", m.Reason, "table", m.Table, "key", m.Key)
	w.add(fmt.Sprintf("%s %s: %s", m.Table, m.Reason, m.Detail))
}

// problem takes what does not fit between the mapping and the database.
func (w *warnings) problem(p mapping.Problem) {
	w.log.Warn("the mapping does not fit the database", "detail", p.Text, "file", p.File, "line", p.Line)
	w.add(fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text))
}

func (w *warnings) add(line string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.lines) == maxWarnings {
		w.lines = w.lines[1:]
	}
	w.lines = append(w.lines, time.Now().UTC().Format(time.RFC3339)+" "+line)
}

func (w *warnings) list() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.lines...)
}
