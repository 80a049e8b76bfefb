package realtime

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"chatbridge/internal/retry"
	"chatbridge/source"
	"chatbridge/source/readback"
	"chatbridge/source/reconcile"
)

// reconciler compares the database with what was published, and hands the
// difference to the publisher.
type reconciler struct {
	s        *Source
	compare  *reconcile.Comparison
	requests *passRequests

	// What follows is the run goroutine's own.
	lastStart time.Duration
	lastFull  time.Duration // start of the last complete pass over Window, 0 for none
	lastAny   time.Duration // start of the last complete pass
	// lastMissed is when the window was, or is to be, last compared because of what
	// the stream missed: see compareWindow.
	lastMissed time.Duration
	backoff    retry.Backoff
	// missed counts the rows of this pass that a live channel should have delivered.
	missed map[*table]int
	// notBefore is when to ask again after a failure.
	notBefore time.Duration
}

// maxCandidates bounds what one pass keeps in memory; the next goes on.
const maxCandidates = 20_000

func newReconciler(s *Source, r Reader) *reconciler {
	rec := &reconciler{
		s: s, requests: newPassRequests(s.clock), missed: map[*table]int{},
		backoff: retry.Backoff{Min: s.opts.Timing.MinRetry, Max: s.opts.Timing.MaxRetry},
	}
	rec.compare = reconcile.New(reconcile.Options{
		Reader: r, Tables: s.tables.compared(), Clock: s.clock, Logger: s.log,
		PageSize: s.opts.PageSize, RetryUnreadable: s.opts.WindowInterval,
		Requests: &s.stats.requests, RowsRead: &s.stats.rowsRead,
		Mark:    func() (uint64, int64) { return s.seq.Load(), s.clock.committedBefore(s.clock.Elapsed()) },
		Publish: rec.publishRead,
		Gap: func(ctx context.Context, g source.Gap) error {
			_, err := rec.publish(ctx, &batch{gap: &g})
			return err
		},
		Again: rec.requestForced,
	})
	return rec
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
		case <-r.requests.wake:
			continue
		case <-timer.C:
		}
		wait := r.cycle(ctx)
		next = r.s.clock.Elapsed() + wait
	}
}

// untilDue is the time to the next pass: next, or earlier where one was
// requested or a channel stopped delivering, but not before a failure's wait.
func (r *reconciler) untilDue(next time.Duration) time.Duration {
	now := r.s.clock.Elapsed()
	requested, planned := r.requests.due()
	due := min(next, planned, r.lastStart+r.interval())
	switch {
	case requested == noPass:
	case r.lastStart == 0, requested == windowPass && r.s.hold.left() > 0:
		due = min(due, now) // streamed changes wait for it
	default:
		// Requests in quick succession are answered by one pass.
		due = min(due, r.lastStart+r.s.opts.Timing.MinRetry)
	}
	return max(due, r.notBefore) - now
}

// cycle does one pass and returns the wait before the next.
func (r *reconciler) cycle(ctx context.Context) time.Duration {
	o := &r.s.opts
	begin := r.s.clock.Elapsed()
	p := r.requests.start(begin)
	r.lastStart = max(begin, 1)
	full := p.gap || p.planned || r.lastFull == 0 || begin-r.lastFull >= o.WindowInterval || begin-r.lastAny >= o.RecentWindow
	since := r.lastFull
	more, err := r.pass(ctx, full, p.gap)
	r.tellClocks()
	r.s.stats.lastDur.Store(int64(r.s.clock.Elapsed() - begin))
	if err != nil {
		wait := r.failed(ctx, err)
		r.notBefore = r.s.clock.Elapsed() + wait
		return wait
	}
	r.backoff.Reset()
	r.notBefore = 0
	r.s.stats.failingSince.Store(0)
	if r.s.stats.setReadError("") {
		r.s.log.Info("reading rows back works again")
	}
	if more {
		return 0
	}
	r.s.stats.lastPass.Store(time.Now().UnixNano())
	r.s.stats.passes.Add(1)
	r.lastAny = begin
	if r.s.kept != nil {
		r.s.kept.Published(r.s.clock.Earliest().Add(begin - r.s.clock.Elapsed()))
	}
	if full {
		r.lastFull = begin
	}
	if p.gap {
		r.closeGap(ctx, p.gen, since)
	}
	return r.interval()
}

// tellClocks logs once that the clocks disagree, and that they agree again.
func (r *reconciler) tellClocks() {
	ahead := r.s.clock.Disagreement()
	was := time.Duration(r.s.stats.clockAhead.Swap(int64(ahead)))
	switch {
	case ahead != 0 && was == 0:
		r.s.log.Warn("the clock of what answers for PostgREST (the header Date) and this machine's disagree; until they agree, rows are read back from the earlier on, which may be many more than are needed",
			"ahead_of_this_machine", ahead.Round(time.Second), "remedy", "set the clock of this machine, or of what is before PostgREST, by NTP; or set lookup.url, which asks the database itself")
	case ahead == 0 && was != 0:
		r.s.log.Info("the clock of what answers for PostgREST and this machine's agree again")
	}
}

// failed counts and reports a failed pass and returns the wait before the
// next.
func (r *reconciler) failed(ctx context.Context, err error) time.Duration {
	if ctx.Err() != nil {
		return time.Hour
	}
	r.s.stats.failures.Add(1)
	r.s.stats.failingSince.CompareAndSwap(0, time.Now().UnixNano())
	if r.s.stats.setReadError(err.Error()) {
		r.s.log.Warn("cannot read rows back; what the stream loses stays missing until this works", "error", err)
	}
	var e *readback.Error
	wait := r.backoff.Next()
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

// closeGap notes that everything up to gap gen was read back, and releases the
// changes that wait for it. What could not be read back is reported to the
// handler.
func (r *reconciler) closeGap(ctx context.Context, gen uint64, since time.Duration) {
	closed := r.requests.done(gen)
	var lost []string
	for _, t := range r.s.tables.list {
		if !t.reconcilable.Load() {
			lost = append(lost, t.Name)
		}
	}
	out := r.s.clock.Elapsed() - since
	g := source.Gap{Until: r.s.clock.Now()}
	g.Since = g.Until.Add(-out)
	var unusable string
	if since == 0 { // the start
		g.Since = time.Time{}
		if r.s.kept != nil {
			g.Since, unusable = r.s.kept.LastPublished(), r.s.kept.Lost()
		}
		out = g.Until.Sub(g.Since)
	}
	switch {
	case unusable != "":
		g.Reason = unusable + ", so what changed while no bridge ran cannot be told"
	case g.Since.IsZero():
		// Nothing was published before the start.
	case len(lost) > 0:
		g.Reason = strings.Join(lost, ", ") + " has no column with the time of insert or update, so what Realtime did not deliver cannot be read back"
	case out > r.s.opts.Window:
		g.Reason = fmt.Sprintf("nothing could be read back for %s, longer than the window of %s", out.Round(time.Second), r.s.opts.Window)
	}
	if g.Reason != "" {
		_, _ = r.publish(ctx, &batch{gap: &g})
	}
	if closed {
		r.s.hold.end()
	}
}
