package realtime

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"chatbridge/source"
	"chatbridge/source/realtime/readback"
)

// fetch reads rows whole and has those that still differ published.
func (r *reconciler) fetch(ctx context.Context, cands []candidate, missed map[*table]int) error {
	b := &batch{seq: r.s.seq.Load(), asOf: r.s.clock.committedBefore(r.s.clock.elapsed())}
	forced := map[*table]map[string]bool{}
	keys := map[*table][][]string{}
	for _, c := range cands {
		keys[c.table] = append(keys[c.table], c.s.key)
		if c.force {
			if forced[c.table] == nil {
				forced[c.table] = map[string]bool{}
			}
			forced[c.table][c.s.id()] = true
		}
	}
	for _, t := range r.s.tables.list {
		if len(keys[t]) == 0 {
			continue
		}
		rows, err := r.reader.Fetch(ctx, t.config(), keys[t])
		r.s.stats.requests.Add(1)
		if err != nil {
			return err
		}
		r.s.stats.rowsRead.Add(uint64(len(rows)))
		rel, err := r.relationFor(ctx, t, rows)
		if err != nil {
			return err
		}
		gone := map[string]bool{}
		for _, k := range keys[t] {
			gone[rowID(k)] = true
		}
		for _, row := range rows {
			s, ok := t.sketchRead(row)
			if !ok {
				continue
			}
			delete(gone, s.id())
			b.rows = append(b.rows, reread{table: t, rel: rel, row: row, s: s, force: forced[t][s.id()]})
		}
		for id := range gone {
			t.ledger.forget(id)
		}
	}
	slices.SortStableFunc(b.rows, func(a, c reread) int { return cmp.Compare(a.s.at, c.s.at) })
	out, err := r.publish(ctx, b)
	if err != nil {
		return err
	}
	for _, row := range out.published {
		if !row.force {
			r.noteMissed(row, missed)
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
