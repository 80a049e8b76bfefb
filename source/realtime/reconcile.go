package realtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"chatbridge/source"
	"chatbridge/source/realtime/readback"
)

// reconciler compares the database with what was published, and has the
// difference published.
type reconciler struct {
	s      *Source
	reader Reader
	wake   chan struct{}

	// mu guards what other goroutines ask for.
	mu sync.Mutex
	// gapGen counts the gaps, doneGen is the gap up to which all is read back.
	gapGen, doneGen uint64
	soon            bool
	// later is when passes were asked for ahead of time.
	later []time.Duration
	dirty map[*table]map[string][]string

	// What follows is the run goroutine's own.
	maxPage   int // the longest page ever received: see scan
	lastStart time.Duration
	lastFull  time.Duration // start of the last complete pass over Window, 0 for none
	lastAny   time.Duration // start of the last complete pass
	backoff   backoff
	// notBefore is when to ask again after a failure.
	notBefore time.Duration
}

const (
	// fetchSize is how many whole rows are read at once.
	fetchSize = 100
	// maxCandidates bounds what one pass keeps in memory; the next goes on.
	maxCandidates = 20_000
)

func newReconciler(s *Source, r Reader) *reconciler {
	return &reconciler{
		s: s, reader: r, wake: make(chan struct{}, 1),
		dirty:   map[*table]map[string][]string{},
		backoff: backoff{waits: s.opts.Timing.Backoff},
	}
}

// request asks for a pass soon; with gap, for one over the whole window.
func (r *reconciler) request(gap bool) {
	r.mu.Lock()
	if gap {
		r.gapGen++
	}
	r.soon = true
	r.mu.Unlock()
	r.poke()
}

func (r *reconciler) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// requestAfter asks for a pass over the whole window after a wait.
func (r *reconciler) requestAfter(d time.Duration) {
	r.mu.Lock()
	r.later = append(r.later, r.s.clock.elapsed()+d)
	r.mu.Unlock()
	r.poke()
}

// refetch asks for a row to be read back whole and published.
func (r *reconciler) refetch(t *table, key []string) {
	r.mu.Lock()
	if r.dirty[t] == nil {
		r.dirty[t] = map[string][]string{}
	}
	r.dirty[t][strings.Join(key, "\x00")] = key
	r.mu.Unlock()
	r.request(false)
}

func (r *reconciler) gapOpen() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gapGen != r.doneGen
}

// interval is how often to compare now.
func (r *reconciler) interval() time.Duration {
	if r.s.anyNotLive() {
		return r.s.opts.DegradedInterval
	}
	return r.s.opts.ReconcileInterval
}

func (r *reconciler) run(ctx context.Context) {
	var next time.Duration
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(r.untilDue(next))
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
			continue
		case <-timer.C:
		}
		wait := r.cycle(ctx)
		next = r.s.clock.elapsed() + wait
	}
}

// untilDue is the time to the next pass: next, or earlier where one was asked
// for or a channel stopped delivering, but not before a failure's wait.
func (r *reconciler) untilDue(next time.Duration) time.Duration {
	r.mu.Lock()
	soon, gap := r.soon, r.gapGen != r.doneGen
	due := next
	for _, at := range r.later {
		due = min(due, at)
	}
	r.mu.Unlock()
	now := r.s.clock.elapsed()
	due = min(due, r.lastStart+r.interval())
	if soon {
		// Requests that come thick are answered together; but not where
		// streamed changes wait for the answer.
		at := r.lastStart + r.s.opts.Timing.Backoff[0]
		if r.lastStart == 0 || (gap && r.s.hold.left() > 0) {
			at = now
		}
		due = min(due, at)
	}
	return max(due, r.notBefore) - now
}

// cycle does one pass and returns the wait before the next.
func (r *reconciler) cycle(ctx context.Context) time.Duration {
	r.mu.Lock()
	gen := r.gapGen
	gap := gen != r.doneGen
	r.soon = false
	begin := r.s.clock.elapsed()
	asked := len(r.later)
	r.later = slices.DeleteFunc(r.later, func(at time.Duration) bool { return at <= begin })
	planned := len(r.later) < asked
	r.mu.Unlock()

	o := &r.s.opts
	r.lastStart = max(begin, 1)
	full := gap || planned || r.lastFull == 0 || begin-r.lastFull >= o.WindowInterval || begin-r.lastAny >= o.RecentWindow
	since := r.lastFull
	more, err := r.pass(ctx, full, gap)
	r.s.stats.lastDur.Store(int64(r.s.clock.elapsed() - begin))
	if err != nil {
		wait := r.failed(ctx, err)
		r.notBefore = r.s.clock.elapsed() + wait
		return wait
	}
	r.backoff.reset()
	r.notBefore = 0
	if r.s.stats.setReadError("") {
		r.s.log.Info("reading rows back works again")
	}
	if more {
		return 0
	}
	r.s.stats.lastPass.Store(time.Now().UnixNano())
	r.s.stats.passes.Add(1)
	r.lastAny = begin
	if full {
		r.lastFull = begin
	}
	if gap {
		r.closeGap(ctx, gen, since)
	}
	return r.interval()
}

// failed counts and reports a failed pass and returns the wait before the
// next.
func (r *reconciler) failed(ctx context.Context, err error) time.Duration {
	if ctx.Err() != nil {
		return time.Hour
	}
	r.s.stats.failures.Add(1)
	if r.s.stats.setReadError(err.Error()) {
		r.s.log.Warn("cannot read rows back; what the stream loses stays missing until this works", "error", err)
	}
	var e *readback.Error
	wait := r.backoff.next()
	if errors.As(err, &e) {
		wait = max(wait, e.RetryAfter)
		if e.Permanent {
			// The other tables are read at the usual interval.
			r.s.hold.end()
			return max(wait, r.interval())
		}
	}
	return wait
}

// closeGap notes that everything up to gap gen was read back, and lets held
// changes go. What was out of reach is reported to the handler.
func (r *reconciler) closeGap(ctx context.Context, gen uint64, since time.Duration) {
	r.mu.Lock()
	r.doneGen = gen
	closed := r.gapGen == gen
	r.mu.Unlock()
	var lost []string
	for _, t := range r.s.tables.list {
		if !t.reconcilable.Load() {
			lost = append(lost, t.name)
		}
	}
	out := r.s.clock.elapsed() - since
	g := source.Gap{Until: r.s.clock.now()}
	switch {
	case since == 0:
		// The start: nothing was published before it.
	case len(lost) > 0:
		g.Reason = strings.Join(lost, ", ") + " has no column with the time of insert or update, so what Realtime did not deliver cannot be read back"
	case out > r.s.opts.Window:
		g.Reason = fmt.Sprintf("nothing could be read back for %s, longer than the window of %s", out.Round(time.Second), r.s.opts.Window)
	}
	if g.Reason != "" {
		g.Since = g.Until.Add(-out)
		_, _ = r.publish(ctx, &batch{gap: &g})
	}
	if closed {
		r.s.hold.end()
	}
}
