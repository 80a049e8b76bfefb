package engineio

import "sync"

// group counts goroutines. Unlike a sync.WaitGroup it may grow from zero during wait,
// as it does when a timer fires or a request comes then.
type group struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when n gets to zero; nil unless wait runs
}

// Go starts f on a goroutine of its own.
func (g *group) Go(f func()) {
	g.add()
	go func() {
		defer g.done()
		f()
	}()
}

func (g *group) add() {
	g.mu.Lock()
	g.n++
	g.mu.Unlock()
}

func (g *group) done() {
	g.mu.Lock()
	g.n--
	if g.n == 0 && g.idle != nil {
		close(g.idle)
		g.idle = nil
	}
	g.mu.Unlock()
}

// wait returns when no goroutine is left.
func (g *group) wait() {
	g.mu.Lock()
	if g.n == 0 {
		g.mu.Unlock()
		return
	}
	if g.idle == nil {
		g.idle = make(chan struct{})
	}
	idle := g.idle
	g.mu.Unlock()
	<-idle
}
