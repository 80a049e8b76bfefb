package realtime

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"chatbridge/source"
	"chatbridge/source/realtime/readback"
)

// How much is read at once. It begins small and doubles as long as that is quick, so
// that large rows, or a slow link, hold up the first request only, and the rows of
// others but little.
const (
	// fetchStart and fetchSize are the number of rows at first and at most.
	fetchStart = 8
	fetchSize  = 100
	// fetchBytes and fetchTime are what one request may take to be followed by a
	// larger one; past twice as much the next is smaller.
	fetchBytes = 4 << 20
	fetchTime  = time.Second
	// fetchSpan bounds the reading of one pass: what is left is found again by the
	// next, together with what has changed since.
	fetchSpan = 30 * time.Second
)

// reading is one pass's reading of rows.
type reading struct {
	missed map[*table]int
	// failed has the tables that could not be read in this pass.
	failed map[*table]error
	// most is how many rows at once were too many in this pass, halved.
	most int
}

// fetchAll reads rows whole, in batches that are fair to all workspaces, and has
// those that still differ published. more tells that some are left for the next
// pass. A table that cannot be read does not keep the others from being read.
func (r *reconciler) fetchAll(ctx context.Context, cands []candidate, missed map[*table]int) (more bool, err error) {
	rd := &reading{missed: missed, failed: map[*table]error{}, most: fetchSize}
	q := newFairQueue(cands)
	begin := r.s.clock.elapsed()
	for q.n > 0 {
		if r.s.clock.elapsed()-begin > fetchSpan {
			r.requestForced(q.rest())
			more = true
			break
		}
		if err := r.fetch(ctx, rd, q.take(r.batch)); err != nil {
			return false, err
		}
	}
	var errs []error
	for _, t := range r.s.tables.list {
		errs = append(errs, rd.failed[t])
	}
	return more, errors.Join(errs...)
}

// fetch reads one batch, halving it as often as what it asks for is too much: down to
// one row, which is passed over where even that is. An error ends the pass.
func (r *reconciler) fetch(ctx context.Context, rd *reading, cands []candidate) error {
	b, err := r.readBatch(ctx, rd, cands)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var e *readback.Error
	switch {
	case err == nil:
		return r.publishRead(ctx, rd, b)
	case !errors.As(err, &e) || !e.Less:
		return nil // of one table; rd.failed has it
	case len(cands) > 1:
		half := len(cands) / 2
		r.batch, rd.most = half, half
		if err := r.fetch(ctx, rd, cands[:half]); err != nil {
			return err
		}
		return r.fetch(ctx, rd, cands[half:])
	}
	// The row, or the server: does it answer anything?
	c := cands[0]
	r.s.stats.requests.Add(1)
	if _, probe := r.reader.Describe(ctx, c.table.config()); probe != nil {
		rd.failed[c.table] = probe
		r.requestForced(cands)
		return ctx.Err()
	}
	rd.most = fetchSize // it was the row, not the number of rows
	return r.skip(ctx, c, err)
}

// readBatch reads the rows of a batch, table by table. It leaves out the rows of
// tables that cannot be read, and returns an error where that may be due to these
// rows.
func (r *reconciler) readBatch(ctx context.Context, rd *reading, cands []candidate) (*batch, error) {
	b := &batch{seq: r.s.seq.Load(), asOf: r.s.clock.committedBefore(r.s.clock.elapsed())}
	size, slowest := 0, time.Duration(0)
	for _, t := range r.s.tables.list {
		mine := slices.DeleteFunc(slices.Clone(cands), func(c candidate) bool { return c.table != t })
		if len(mine) == 0 {
			continue
		}
		if rd.failed[t] != nil {
			r.requestForced(mine)
			continue
		}
		begin := r.s.clock.elapsed()
		n, err := r.readTable(ctx, b, t, mine)
		size, slowest = size+n, max(slowest, r.s.clock.elapsed()-begin)
		var e *readback.Error
		if errors.As(err, &e) && e.Less {
			return nil, err
		}
		if err != nil {
			rd.failed[t] = err
			r.requestForced(mine)
		}
	}
	switch {
	case size > 2*fetchBytes || slowest > 2*fetchTime:
		r.batch = max(min(r.batch, len(cands)/2), 1)
	case size <= fetchBytes && slowest <= fetchTime && len(cands) >= r.batch:
		r.batch = min(2*r.batch, rd.most)
	}
	return b, nil
}

// readTable reads rows of one table into b and returns their size in bytes.
func (r *reconciler) readTable(ctx context.Context, b *batch, t *table, cands []candidate) (size int, err error) {
	forced, gone := map[string]bool{}, map[string]bool{}
	keys := make([][]string, len(cands))
	for i, c := range cands {
		keys[i] = c.s.key
		gone[c.s.id()], forced[c.s.id()] = true, forced[c.s.id()] || c.force
	}
	rows, err := r.reader.Fetch(ctx, t.config(), keys)
	r.s.stats.requests.Add(1)
	if err != nil {
		return 0, err
	}
	r.s.stats.rowsRead.Add(uint64(len(rows)))
	rel, err := r.relationFor(ctx, t, rows)
	if err != nil {
		return 0, err
	}
	for _, row := range rows {
		for _, value := range row {
			size += len(value)
		}
		s, ok := t.sketchRead(row)
		if !ok {
			continue
		}
		delete(gone, s.id())
		r.readable(t, s.id())
		b.rows = append(b.rows, reread{table: t, rel: rel, row: row, s: s, force: forced[s.id()]})
	}
	for id := range gone {
		t.ledger.forget(id)
		r.readable(t, id)
	}
	return size, nil
}

// publishRead has the rows of a batch published, in the order of their times.
func (r *reconciler) publishRead(ctx context.Context, rd *reading, b *batch) error {
	slices.SortStableFunc(b.rows, func(a, c reread) int { return cmp.Compare(a.s.at, c.s.at) })
	out, err := r.publish(ctx, b)
	if err != nil {
		return err
	}
	for _, row := range out.published {
		if !row.force {
			r.noteMissed(row, rd.missed)
		}
	}
	for _, row := range out.changedAgain {
		if row.force {
			r.requests.row(row.table, row.s.key)
		} else {
			r.requests.recent()
		}
	}
	return nil
}

// shouldKnow reports whether a row of this age would be in the ledger if it had
// been published.
func (r *reconciler) shouldKnow(t *table, s *sketch) bool {
	now := r.s.clock.now()
	oldest := now.Add(-r.s.opts.Window)
	if !t.compared.Load() {
		oldest = now.Add(-r.s.clock.elapsed() - r.s.opts.Backfill)
	}
	_, floor, _ := t.ledger.size()
	return s.created >= max(oldest.UnixMicro(), floor, 1)
}

// relationFor returns the relation that describes the rows, asking the
// database again where the table has changed its shape.
func (r *reconciler) relationFor(ctx context.Context, t *table, rows []readback.Row) (*source.Relation, error) {
	rel := t.current()
	if len(rows) == 0 || matches(rel, rows[0]) {
		return rel, nil
	}
	r.s.stats.requests.Add(1)
	shape, err := r.reader.Describe(ctx, t.config())
	if err != nil {
		return nil, err
	}
	t.setShape(shape)
	if rel = t.current(); rel == nil {
		return nil, &readback.Error{Op: "describe " + t.name, Err: errors.New("the table has no columns")}
	}
	return rel, nil
}

// publish hands a batch to the publisher and waits for what becomes of it.
func (r *reconciler) publish(ctx context.Context, b *batch) (outcome, error) {
	if len(b.rows) == 0 && b.gap == nil {
		return outcome{}, nil
	}
	b.done = make(chan outcome, 1)
	select {
	case <-ctx.Done():
		return outcome{}, ctx.Err()
	case r.s.batches <- b:
	}
	select {
	case <-ctx.Done():
		return outcome{}, ctx.Err()
	case out := <-b.done:
		return out, nil
	}
}
