package realtime

import (
	"context"
	"errors"
	"slices"
	"time"

	"chatbridge/internal/retry"
	"chatbridge/source/reconcile"
)

// pass compares every table. more tells that it stopped at maxCandidates. After
// a failure on one table it goes on with the others.
func (r *reconciler) pass(ctx context.Context, full, gap bool) (more bool, err error) {
	span := r.s.opts.RecentWindow
	if full {
		span = r.s.opts.Window
	}
	begin := r.s.clock.Elapsed()
	// First, also for the server's time: everything below reckons with it.
	known, errs := r.describe(ctx)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	since := r.s.clock.Earliest().Add(-span)
	cands := r.requests.takeRows()
	forced := len(cands) > 0
	for _, t := range known {
		found, limited, terr := r.scanTable(ctx, t, since, full)
		if terr != nil {
			if ctx.Err() != nil {
				return false, ctx.Err()
			}
			errs = append(errs, terr)
		}
		cands = append(cands, found...)
		more = more || limited
	}
	if !gap && !forced {
		if cands, err = r.afterGrace(ctx, cands); err != nil {
			return false, err
		}
	}
	for i := range cands {
		r.s.hold.conversation(cands[i].Sketch.Conversation, begin, r.s.opts.Timing.Hold)
	}
	defer r.s.hold.passed(begin)
	clear(r.missed)
	left, err := r.compare.FetchAll(ctx, cands)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	more, errs = more || left, append(errs, err)
	r.rejoinDeaf()
	if full {
		before := since.Add(-10 * time.Minute).UnixMicro()
		for _, t := range r.s.tables.list {
			t.Ledger.Prune(before)
			r.compare.ForgetUnreadable(t.Table, before)
		}
	}
	err = errors.Join(errs...)
	if full && !more && err == nil {
		for _, t := range r.s.tables.list {
			if t.reconcilable.Load() {
				t.RememberedSince(since)
			}
		}
	}
	return more, err
}

// newSince is the time from which on a row that the first comparison does not know is
// new: an earlier process would have kept it, or a client that connects right after the
// start is to be caught up on it.
func (r *reconciler) newSince(t *table) time.Time {
	if kept := t.Since(); !kept.IsZero() {
		return kept
	}
	return r.s.clock.Earliest().Add(-r.s.clock.Elapsed() - r.s.opts.Backfill)
}

// requestForced requests again the rows that must be read whole; the next scan
// finds the others.
func (r *reconciler) requestForced(cands []reconcile.Candidate) {
	for _, c := range cands {
		if c.Force {
			r.requests.row(c.Table, c.Sketch.Key)
		}
	}
}

// describe learns the tables' columns and the server's time from the database, where
// that was not done before. It returns the tables whose description did not fail.
func (r *reconciler) describe(ctx context.Context) (known []*table, errs []error) {
	for _, t := range r.s.tables.list {
		if t.IsDescribed() {
			known = append(known, t)
			continue
		}
		shape, ok, err := r.compare.Describe(ctx, t.Table)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		known = append(known, t)
		t.reconcilable.Store(ok)
		if !ok && len(shape.Columns) > 0 {
			r.s.log.Warn("table has no column with the time of insert or update: what Realtime loses of it stays lost",
				"table", t.Name, "remedy", "name such a column in the configuration, or use source.kind postgres")
		}
	}
	return known, errs
}

// scanTable returns the rows of a table that differ from what was published.
// limited reports whether it stopped at maxCandidates.
func (r *reconciler) scanTable(ctx context.Context, t *table, since time.Time, full bool) (out []reconcile.Candidate, limited bool, err error) {
	if !t.reconcilable.Load() {
		return nil, false, nil
	}
	if _, floor, _ := t.Ledger.Size(); floor > since.UnixMicro() {
		since = time.UnixMicro(floor)
	}
	seen := map[string]bool{}
	// Until the table was compared once over the whole window, an unknown row
	// is one from before the start.
	known := t.compared.Load()
	start := r.newSince(t).UnixMicro()
	for _, by := range t.Config().Times() {
		err := r.compare.Scan(ctx, t.Table, by, since, func(s reconcile.Sketch) bool {
			v, seq := t.Ledger.Compare(&s)
			switch {
			case v == reconcile.Same:
			case v == reconcile.Unknown && seq == 0 && !known && s.At < start:
				t.Ledger.Record(s, 0, 0)
			case seen[s.ID()]:
			default:
				seen[s.ID()] = true
				out = append(out, reconcile.Candidate{Table: t.Table, Sketch: s, Seq: seq})
			}
			return len(out) < maxCandidates
		})
		if err != nil || len(out) >= maxCandidates {
			return out, err == nil, err
		}
	}
	if full {
		t.compared.Store(true)
	}
	return out, false, nil
}

// afterGrace waits for the stream to deliver the differences of live channels,
// and returns those that remain.
func (r *reconciler) afterGrace(ctx context.Context, cands []reconcile.Candidate) ([]reconcile.Candidate, error) {
	wait := false
	for i := range cands {
		wait = wait || r.s.tables.of(cands[i].Table).liveSince.Load() != 0
	}
	if !wait {
		return cands, nil
	}
	if err := retry.Sleep(ctx, r.s.opts.Timing.Grace); err != nil {
		return nil, err
	}
	// A row that the stream has touched meanwhile is being delivered; the
	// next pass sees whether it came out right.
	return slices.DeleteFunc(cands, func(c reconcile.Candidate) bool {
		v, seq := c.Table.Ledger.Compare(&c.Sketch)
		return !c.Force && (v == reconcile.Same || seq != c.Seq)
	}), nil
}
