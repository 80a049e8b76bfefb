package far

import (
	"context"
	"slices"
	"sync"
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
}

func newGate(n int) *gate {
	return &gate{free: n, busy: make(map[string]bool), waiting: make(map[string][]chan struct{})}
}

// enter waits for the workspace's turn, or until ctx ends; first: before the others of
// the workspace. After nil, leave must be called.
func (g *gate) enter(ctx context.Context, workspace string, first bool) error {
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
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-turn: // at the same moment
		g.release(workspace)
	default:
		g.drop(workspace, turn)
	}
	return ctx.Err()
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
		g.busy[workspace] = true
		g.free--
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
