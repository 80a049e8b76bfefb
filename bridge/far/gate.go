package far

import (
	"context"
	"slices"
	"sync"
	"time"
)

// gate lets a number of readings in at a time, one of each workspace. Workspaces take
// turns, and within one the longest wait goes first.
type gate struct {
	mu      sync.Mutex
	free    int
	busy    map[string]bool
	waiting map[string][]chan struct{}
	// turns are the workspaces that wait, the next one first.
	turns []string
	// admitted is when a workspace that waits, or is in, had its latest turn.
	admitted map[string]time.Time
}

func newGate(n int) *gate {
	return &gate{free: n, busy: make(map[string]bool), waiting: make(map[string][]chan struct{}), admitted: make(map[string]time.Time)}
}

// enter waits for its turn, or until ctx ends; first: before the others of the workspace.
// It gives up with ErrBusy after patience in which the workspace had no turn at all: while
// others of it have theirs, its own comes. After nil, leave must be called.
func (g *gate) enter(ctx context.Context, workspace string, first bool, patience time.Duration) error {
	began := time.Now()
	g.mu.Lock()
	turn := make(chan struct{})
	if len(g.waiting[workspace]) == 0 {
		g.turns = append(g.turns, workspace)
	}
	if first {
		g.waiting[workspace] = slices.Insert(g.waiting[workspace], 0, turn)
	} else {
		g.waiting[workspace] = append(g.waiting[workspace], turn)
	}
	g.admit()
	g.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		err := ErrBusy
		select {
		case <-turn:
			return nil
		case <-timer.C:
		case <-ctx.Done():
			err = ctx.Err()
		}
		g.mu.Lock()
		since := began
		if at := g.admitted[workspace]; at.After(since) {
			since = at
		}
		if rest := patience - time.Since(since); ctx.Err() == nil && rest > 0 {
			g.mu.Unlock()
			timer.Reset(rest)
			continue
		}
		select {
		case <-turn: // at the same moment
			g.release(workspace)
		default:
			g.drop(workspace, turn)
		}
		g.mu.Unlock()
		return err
	}
}

// leave ends a turn.
func (g *gate) leave(workspace string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.release(workspace)
}

func (g *gate) release(workspace string) {
	g.free++
	delete(g.busy, workspace)
	g.admit()
	g.forget(workspace)
}

// admit lets in whoever may. mu must be held.
func (g *gate) admit() {
	for i := 0; i < len(g.turns) && g.free > 0; {
		workspace := g.turns[i]
		if g.busy[workspace] {
			i++
			continue
		}
		g.turns = append(g.turns[:i], g.turns[i+1:]...)
		of := g.waiting[workspace]
		close(of[0])
		if g.waiting[workspace] = of[1:]; len(of) > 1 {
			g.turns = append(g.turns, workspace)
		} else {
			delete(g.waiting, workspace)
		}
		g.busy[workspace], g.admitted[workspace] = true, time.Now()
		g.free--
	}
}

// forget drops what is known of a workspace of which nobody waits or is in. mu must be held.
func (g *gate) forget(workspace string) {
	if !g.busy[workspace] && len(g.waiting[workspace]) == 0 {
		delete(g.admitted, workspace)
	}
}

// drop takes one that gave up out of its workspace's queue. mu must be held.
func (g *gate) drop(workspace string, turn chan struct{}) {
	of := g.waiting[workspace]
	for i := range of {
		if of[i] == turn {
			of = append(of[:i:i], of[i+1:]...)
			break
		}
	}
	if len(of) > 0 {
		g.waiting[workspace] = of
		return
	}
	delete(g.waiting, workspace)
	g.forget(workspace)
	for i, w := range g.turns {
		if w == workspace {
			g.turns = append(g.turns[:i], g.turns[i+1:]...)
			break
		}
	}
}

// waits returns how many wait.
func (g *gate) waits() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for _, of := range g.waiting {
		n += len(of)
	}
	return n
}
