package realtime

import (
	"context"
	"time"

	"chatbridge/source/readback"
	"chatbridge/source/reconcile"
)

// Try asks a Reader of a table what reading back asks, in small: its columns, the
// sketch of one row, and that row whole, one of the last window if there is any. It
// returns the table's shape as far as that was answered.
func Try(ctx context.Context, r Reader, t Table, window time.Duration) (readback.Shape, error) {
	shape, err := r.Describe(ctx, t)
	if err != nil {
		return shape, err
	}
	tb := reconcile.NewTable(t, 1)
	tb.SetShape(shape)
	conf := tb.Config()
	times := conf.Times()
	for _, since := range []time.Time{time.Now().Add(-window), time.Unix(0, 0)} {
		if len(times) == 0 {
			break
		}
		page, err := r.Scan(ctx, readback.ScanRequest{Table: conf, By: times[0], Since: since, Limit: 1})
		if err != nil {
			return shape, err
		}
		if len(page.Rows) == 0 {
			continue
		}
		key, ok := conf.KeyOf(page.Rows[0])
		if !ok {
			break
		}
		_, err = r.Fetch(ctx, conf, [][]string{key})
		return shape, err
	}
	return shape, nil
}
