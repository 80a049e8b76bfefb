package reconcile

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"chatbridge/source/readback"
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
	// failed has the tables that could not be read in this pass.
	failed map[*Table]error
	// most is how many rows at once were too many in this pass, halved.
	most int
}

// FetchAll reads rows whole, in batches that are fair to all workspaces, and has
// those that still differ published. more tells that some are left for the next
// pass. A table that cannot be read does not keep the others from being read.
func (c *Comparison) FetchAll(ctx context.Context, cands []Candidate) (more bool, err error) {
	rd := &reading{failed: map[*Table]error{}, most: fetchSize}
	q := newFairQueue(c.withoutUnreadable(cands))
	begin := c.o.Clock.Elapsed()
	for q.n > 0 {
		if c.o.Clock.Elapsed()-begin > fetchSpan {
			c.o.Again(q.rest())
			more = true
			break
		}
		if err := c.fetch(ctx, rd, q.take(c.batch)); err != nil {
			return false, err
		}
	}
	var errs []error
	for _, t := range c.o.Tables {
		errs = append(errs, rd.failed[t])
	}
	return more, errors.Join(errs...)
}

// fetch reads one batch, halving it as often as what it asks for is too much: down to
// one row, which is passed over where even that is. An error ends the pass.
func (c *Comparison) fetch(ctx context.Context, rd *reading, cands []Candidate) error {
	b, err := c.readBatch(ctx, rd, cands)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var e *readback.Error
	switch {
	case err == nil:
		if len(b.Rows) == 0 {
			return nil
		}
		slices.SortStableFunc(b.Rows, func(a, c Row) int { return cmp.Compare(a.Sketch.At, c.Sketch.At) })
		return c.o.Publish(ctx, b)
	case !errors.As(err, &e) || !e.Less:
		return nil // of one table; rd.failed has it
	case len(cands) > 1:
		half := len(cands) / 2
		c.batch, rd.most = half, half
		if err := c.fetch(ctx, rd, cands[:half]); err != nil {
			return err
		}
		return c.fetch(ctx, rd, cands[half:])
	}
	// The row, or the server: does it answer anything?
	one := cands[0]
	c.o.Requests.Add(1)
	if _, probe := c.o.Reader.Describe(ctx, one.Table.Config()); probe != nil {
		rd.failed[one.Table] = probe
		c.o.Again(cands)
		return ctx.Err()
	}
	rd.most = fetchSize // it was the row, not the number of rows
	return c.skip(ctx, one, err)
}

// readBatch reads the rows of a batch, table by table. It leaves out the rows of
// tables that cannot be read, and returns an error where that may be due to these
// rows.
func (c *Comparison) readBatch(ctx context.Context, rd *reading, cands []Candidate) (*Batch, error) {
	b := &Batch{}
	b.Seq, b.AsOf = c.o.Mark()
	size, slowest := 0, time.Duration(0)
	for _, t := range c.o.Tables {
		mine := slices.DeleteFunc(slices.Clone(cands), func(c Candidate) bool { return c.Table != t })
		if len(mine) == 0 {
			continue
		}
		if rd.failed[t] != nil {
			c.o.Again(mine)
			continue
		}
		begin := c.o.Clock.Elapsed()
		n, err := c.readTable(ctx, b, t, mine)
		size, slowest = size+n, max(slowest, c.o.Clock.Elapsed()-begin)
		var e *readback.Error
		if errors.As(err, &e) && e.Less {
			return nil, err
		}
		if err != nil {
			rd.failed[t] = err
			c.o.Again(mine)
		}
	}
	switch {
	case size > 2*fetchBytes || slowest > 2*fetchTime:
		c.batch = max(min(c.batch, len(cands)/2), 1)
	case size <= fetchBytes && slowest <= fetchTime && len(cands) >= c.batch:
		c.batch = min(2*c.batch, rd.most)
	}
	return b, nil
}

// readTable reads rows of one table into b and returns their size in bytes.
func (c *Comparison) readTable(ctx context.Context, b *Batch, t *Table, cands []Candidate) (size int, err error) {
	forced, gone := map[string]bool{}, map[string]bool{}
	keys := make([][]string, len(cands))
	for i := range cands {
		s, id := &cands[i].Sketch, cands[i].Sketch.ID()
		keys[i] = s.Key
		gone[id], forced[id] = true, forced[id] || cands[i].Force
	}
	rows, err := c.o.Reader.Fetch(ctx, t.Config(), keys)
	c.o.Requests.Add(1)
	if err != nil {
		return 0, err
	}
	c.o.RowsRead.Add(uint64(len(rows)))
	rel, err := c.relationFor(ctx, t, rows)
	if err != nil {
		return 0, err
	}
	for _, row := range rows {
		for _, value := range row {
			size += len(value)
		}
		s, ok := t.SketchRead(row)
		if !ok {
			continue
		}
		delete(gone, s.ID())
		c.readable(t, s.ID())
		b.Rows = append(b.Rows, Row{Table: t, Relation: rel, Row: row, Sketch: s, Force: forced[s.ID()]})
	}
	for id := range gone {
		t.Ledger.Forget(id)
		c.readable(t, id)
	}
	return size, nil
}
