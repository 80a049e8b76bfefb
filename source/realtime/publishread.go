package realtime

import (
	"context"

	"chatbridge/source/reconcile"
)

// publishRead has the rows of a batch published.
func (r *reconciler) publishRead(ctx context.Context, b *reconcile.Batch) error {
	out, err := r.publish(ctx, &batch{Batch: b})
	if err != nil {
		return err
	}
	for _, row := range out.published {
		if !row.Force {
			r.noteMissed(row)
		}
	}
	for _, row := range out.changedAgain {
		if row.Force {
			r.requests.row(row.Table, row.Sketch.Key)
		} else {
			r.requests.recent()
		}
	}
	return nil
}

// shouldKnow reports whether a row of this age would be in the ledger if it had
// been published.
func (r *reconciler) shouldKnow(t *table, s *reconcile.Sketch) bool {
	now := r.s.clock.Now()
	oldest := now.Add(-r.s.opts.Window)
	if !t.compared.Load() {
		oldest = r.newSince(t)
	}
	_, floor, _ := t.Ledger.Size()
	return s.Created >= max(oldest.UnixMicro(), floor, 1)
}

// publish hands a batch to the publisher and waits for what becomes of it.
func (r *reconciler) publish(ctx context.Context, b *batch) (outcome, error) {
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
