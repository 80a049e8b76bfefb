package realtime

import (
	"slices"
	"sync"
	"time"

	"chatbridge/source/reconcile"
)

// passRequests is what other goroutines ask of the reconciler. Its methods may
// be called from any goroutine.
type passRequests struct {
	clock *clock
	// wake has a token whenever something was requested.
	wake chan struct{}

	mu sync.Mutex
	// gapGen counts the gaps, doneGen is the gap up to which all is read back.
	gapGen, doneGen uint64
	soon            bool
	// later is when passes over the window are planned, in the clock's time.
	later []time.Duration
	// rows are those to read whole, by table and joined key.
	rows map[*reconcile.Table]map[string][]string
}

// requestedPass is the kind of pass that was requested.
type requestedPass uint8

const (
	noPass requestedPass = iota
	// recentPass: over RecentWindow will do.
	recentPass
	// windowPass: over all of Window, because there was a gap.
	windowPass
)

// passStart is what a pass that starts has to do.
type passStart struct {
	// gap tells that a gap is open, gen up to which one the pass reads back.
	gap bool
	gen uint64
	// planned tells that the pass was planned by windowAfter.
	planned bool
}

func newPassRequests(c *clock) *passRequests {
	return &passRequests{clock: c, wake: make(chan struct{}, 1), rows: map[*reconcile.Table]map[string][]string{}}
}

// recent asks for a pass soon.
func (q *passRequests) recent() { q.request(func() {}) }

// gap asks for a pass over the whole window soon.
func (q *passRequests) gap() { q.request(func() { q.gapGen++ }) }

// row asks for a row to be read whole and published soon.
func (q *passRequests) row(t *reconcile.Table, key []string) {
	q.request(func() {
		if q.rows[t] == nil {
			q.rows[t] = map[string][]string{}
		}
		q.rows[t][reconcile.RowID(key)] = key
	})
}

func (q *passRequests) request(note func()) {
	q.mu.Lock()
	note()
	q.soon = true
	q.mu.Unlock()
	q.poke()
}

// windowWithin plans a pass over the whole window after a wait, unless one is planned for
// no later; it reports whether it did.
func (q *passRequests) windowWithin(d time.Duration) bool {
	if _, planned := q.due(); planned <= q.clock.Elapsed()+d {
		return false
	}
	q.windowAfter(d)
	return true
}

// windowAfter plans a pass over the whole window after a wait.
func (q *passRequests) windowAfter(d time.Duration) {
	q.mu.Lock()
	q.later = append(q.later, q.clock.Elapsed()+d)
	q.mu.Unlock()
	q.poke()
}

func (q *passRequests) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// due returns what is requested to happen soon, and the earliest planned time.
func (q *passRequests) due() (soon requestedPass, planned time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	planned = time.Duration(1<<63 - 1)
	for _, at := range q.later {
		planned = min(planned, at)
	}
	switch {
	case !q.soon:
		return noPass, planned
	case q.gapGen != q.doneGen:
		return windowPass, planned
	}
	return recentPass, planned
}

// start takes the requests that a pass which begins now answers.
func (q *passRequests) start(now time.Duration) passStart {
	q.mu.Lock()
	defer q.mu.Unlock()
	p := passStart{gap: q.gapGen != q.doneGen, gen: q.gapGen}
	q.soon = false
	before := len(q.later)
	q.later = slices.DeleteFunc(q.later, func(at time.Duration) bool { return at <= now })
	p.planned = len(q.later) < before
	return p
}

// done notes that all up to gap gen was read back, and reports whether no later
// gap is open.
func (q *passRequests) done(gen uint64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.doneGen = gen
	return q.gapGen == gen
}

func (q *passRequests) gapOpen() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.gapGen != q.doneGen
}

// takeRows returns the rows that must be read whole.
func (q *passRequests) takeRows() []reconcile.Candidate {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out []reconcile.Candidate
	for t, keys := range q.rows {
		for _, key := range keys {
			out = append(out, reconcile.Candidate{Table: t, Sketch: reconcile.Sketch{Key: key}, Force: true})
		}
	}
	clear(q.rows)
	return out
}
