package npm

import (
	"strings"
	"sync"
)

// keepLines is how much of a script's standard error its failures quote.
const keepLines = 20

// lockedTail keeps the last lines of the standard error, for error texts.
type lockedTail struct {
	mu    sync.Mutex
	lines []string
}

func (t *lockedTail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) == keepLines {
		t.lines = append(t.lines[:0], t.lines[1:]...)
	}
	t.lines = append(t.lines, line)
}

// suffix is what to put behind an error: empty where nothing was written.
func (t *lockedTail) suffix() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) == 0 {
		return ""
	}
	return "\nstderr: " + strings.Join(t.lines, "\n        ")
}
