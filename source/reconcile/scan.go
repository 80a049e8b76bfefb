package reconcile

import (
	"context"
	"errors"
	"time"

	"chatbridge/source/readback"
)

// Scan hands the sketches of all rows since a time, by one column of time,
// to fn, until that returns false.
func (c *Comparison) Scan(ctx context.Context, t *Table, by string, since time.Time, fn func(Sketch) bool) error {
	q := readback.ScanRequest{Table: t.Config(), By: by, Since: since}
	for {
		q.Limit = c.page
		page, err := c.scanPage(ctx, t, &q)
		if err != nil {
			return err
		}
		for _, row := range page.Rows {
			if s, ok := t.SketchRead(row); ok && !fn(s) {
				return nil
			}
		}
		n := len(page.Rows)
		// The server may have a lower limit than ours: a short page is the last
		// only where a longer one was received before.
		if n == 0 || (n < q.Limit && n < c.maxPage) {
			return nil
		}
		c.maxPage = max(c.maxPage, n)
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
func (c *Comparison) scanPage(ctx context.Context, t *Table, q *readback.ScanRequest) (readback.Page, error) {
	for {
		page, err := c.o.Reader.Scan(ctx, *q)
		c.o.Requests.Add(1)
		c.o.RowsRead.Add(uint64(len(page.Rows)))
		c.o.Clock.Read(page.Time)
		var e *readback.Error
		switch {
		case err == nil:
			c.page = min(2*q.Limit, c.o.PageSize)
			return page, nil
		case !errors.As(err, &e) || !e.Less || ctx.Err() != nil:
			return readback.Page{}, err
		case q.Limit > 1:
			q.Limit = max(q.Limit/pageCut, 1)
			c.page = q.Limit
			continue
		}
		if perr := c.scanPast(ctx, t, q, err); perr != nil {
			return readback.Page{}, perr
		}
	}
}

// scanPast passes over the next row of a scan, whose watched columns cannot be read.
func (c *Comparison) scanPast(ctx context.Context, t *Table, q *readback.ScanRequest, cause error) error {
	bare := *q
	bare.Table.Watch = nil
	page, err := c.o.Reader.Scan(ctx, bare)
	c.o.Requests.Add(1)
	if err != nil || len(page.Rows) == 0 {
		return cause // not the row's fault
	}
	if s, ok := t.SketchRead(page.Rows[0]); ok {
		if err := c.skip(ctx, Candidate{Table: t, Sketch: s}, cause); err != nil {
			return err
		}
	}
	return q.Next(page.Rows[0])
}
