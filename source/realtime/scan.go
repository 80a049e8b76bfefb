package realtime

import (
	"context"
	"errors"
	"slices"
	"time"

	"chatbridge/internal/retry"
	"chatbridge/source/realtime/readback"
)

// candidate is a row that differed when it was scanned.
type candidate struct {
	table *table
	s     sketch
	seq   uint64
	force bool
}

// pass compares every table. more tells that it stopped at maxCandidates. After
// a failure on one table it goes on with the others.
func (r *reconciler) pass(ctx context.Context, full, gap bool) (more bool, err error) {
	span := r.s.opts.RecentWindow
	if full {
		span = r.s.opts.Window
	}
	begin := r.s.clock.elapsed()
	// First, also for the server's time: everything below reckons with it.
	known, errs := r.describe(ctx)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	since := r.s.clock.now().Add(-span)
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
		r.s.hold.conversation(cands[i].s.conversation, begin, r.s.opts.Timing.Hold)
	}
	defer r.s.hold.passed(begin)
	missed := map[*table]int{}
	left, err := r.fetchAll(ctx, r.withoutUnreadable(cands), missed)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	more, errs = more || left, append(errs, err)
	r.rejoinDeaf(missed)
	if full {
		before := since.Add(-10 * time.Minute).UnixMicro()
		for _, t := range r.s.tables.list {
			t.ledger.prune(before)
			r.forgetUnreadable(t, before)
		}
	}
	return more, errors.Join(errs...)
}

// requestForced requests again the rows that must be read whole; the next scan
// finds the others.
func (r *reconciler) requestForced(cands []candidate) {
	for _, c := range cands {
		if c.force {
			r.requests.row(c.table, c.s.key)
		}
	}
}

// describe learns the tables' columns and the server's time from the database, where
// that was not done before. It returns the tables whose description did not fail.
func (r *reconciler) describe(ctx context.Context) (known []*table, errs []error) {
	for _, t := range r.s.tables.list {
		if t.isDescribed() {
			known = append(known, t)
			continue
		}
		r.s.stats.requests.Add(1)
		shape, err := r.reader.Describe(ctx, t.config())
		if err != nil {
			errs = append(errs, err)
			continue
		}
		known = append(known, t)
		r.s.clock.read(shape.Time)
		if shape.Filtered {
			r.s.log.Warn("row level security applies to the role that reads rows back: those that no policy shows it stay missing",
				"table", t.name, "remedy", "give the role BYPASSRLS, or a policy that shows it every row")
		}
		ok := t.setShape(shape)
		t.reconcilable.Store(ok)
		if !ok && len(shape.Columns) > 0 {
			r.s.log.Warn("table has no column with the time of insert or update: what Realtime loses of it stays lost",
				"table", t.name, "remedy", "name such a column in the configuration, or use source.kind postgres")
		}
	}
	return known, errs
}

// scanTable returns the rows of a table that differ from what was published.
// limited tells that it stopped at maxCandidates.
func (r *reconciler) scanTable(ctx context.Context, t *table, since time.Time, full bool) (out []candidate, limited bool, err error) {
	if !t.reconcilable.Load() {
		return nil, false, nil
	}
	if _, floor, _ := t.ledger.size(); floor > since.UnixMicro() {
		since = time.UnixMicro(floor)
	}
	seen := map[string]bool{}
	// Until the table was compared once over the whole window, an unknown row
	// is one from before the start.
	known := t.compared.Load()
	start := r.s.clock.now().Add(-r.s.clock.elapsed() - r.s.opts.Backfill).UnixMicro()
	for _, by := range t.config().Times() {
		err := r.scanBy(ctx, t, by, since, func(s sketch) bool {
			v, seq := t.ledger.compare(&s)
			switch {
			case v == rowSame:
			case v == rowUnknown && seq == 0 && !known && s.at < start:
				t.ledger.record(s, 0, 0)
			case seen[s.id()]:
			default:
				seen[s.id()] = true
				out = append(out, candidate{table: t, s: s, seq: seq})
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

// scanBy hands the sketches of all rows since a time, by one column of time,
// to fn, until that returns false.
func (r *reconciler) scanBy(ctx context.Context, t *table, by string, since time.Time, fn func(sketch) bool) error {
	q := readback.ScanRequest{Table: t.config(), By: by, Since: since}
	for {
		q.Limit = r.page
		page, err := r.scanPage(ctx, t, &q)
		if err != nil {
			return err
		}
		for _, row := range page.Rows {
			if s, ok := t.sketchRead(row); ok && !fn(s) {
				return nil
			}
		}
		n := len(page.Rows)
		// The server may have a lower limit than ours: a short page is the last
		// only where a longer one was received before.
		if n == 0 || (n < q.Limit && n < r.maxPage) {
			return nil
		}
		r.maxPage = max(r.maxPage, n)
		if err := q.Next(page.Rows[n-1]); err != nil {
			return err
		}
	}
}

// pageCut is by how much a page that is too much is cut: its rows are small, so that it
// takes something out of the ordinary.
const pageCut = 8

// scanPage reads one page, a smaller one where that is too much. A row of which not
// even the sketch can be read is passed over.
func (r *reconciler) scanPage(ctx context.Context, t *table, q *readback.ScanRequest) (readback.Page, error) {
	for {
		page, err := r.reader.Scan(ctx, *q)
		r.s.stats.requests.Add(1)
		r.s.stats.rowsRead.Add(uint64(len(page.Rows)))
		r.s.clock.read(page.Time)
		var e *readback.Error
		switch {
		case err == nil:
			r.page = min(2*q.Limit, r.s.opts.PageSize)
			return page, nil
		case !errors.As(err, &e) || !e.Less || ctx.Err() != nil:
			return readback.Page{}, err
		case q.Limit > 1:
			q.Limit = max(q.Limit/pageCut, 1)
			r.page = q.Limit
			continue
		}
		if perr := r.scanPast(ctx, t, q, err); perr != nil {
			return readback.Page{}, perr
		}
	}
}

// scanPast passes over the next row of a scan, whose watched columns cannot be read.
func (r *reconciler) scanPast(ctx context.Context, t *table, q *readback.ScanRequest, cause error) error {
	bare := *q
	bare.Table.Watch = nil
	page, err := r.reader.Scan(ctx, bare)
	r.s.stats.requests.Add(1)
	if err != nil || len(page.Rows) == 0 {
		return cause // not the row's fault
	}
	if s, ok := t.sketchRead(page.Rows[0]); ok {
		if err := r.skip(ctx, candidate{table: t, s: s}, cause); err != nil {
			return err
		}
	}
	return q.Next(page.Rows[0])
}

// afterGrace waits for the stream to deliver the differences of live channels,
// and returns those that remain.
func (r *reconciler) afterGrace(ctx context.Context, cands []candidate) ([]candidate, error) {
	wait := false
	for i := range cands {
		wait = wait || cands[i].table.liveSince.Load() != 0
	}
	if !wait {
		return cands, nil
	}
	if err := retry.Sleep(ctx, r.s.opts.Timing.Grace); err != nil {
		return nil, err
	}
	// A row that the stream has touched meanwhile is being delivered; the
	// next pass sees whether it came out right.
	return slices.DeleteFunc(cands, func(c candidate) bool {
		v, seq := c.table.ledger.compare(&c.s)
		return !c.force && (v == rowSame || seq != c.seq)
	}), nil
}
