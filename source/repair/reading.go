package repair

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"chatbridge/internal/retry"
	"chatbridge/source"
	"chatbridge/source/readback"
	"chatbridge/source/reconcile"
)

// reading reads back one gap.
type reading struct {
	h    *handler
	gap  source.Gap
	rest rest

	// oldest is from when on, in microseconds, rows may have been inserted or updated
	// in the gap.
	oldest int64
	read   map[*reconcile.Table]*compared
	found  []reconcile.Candidate
	places positions
	// open tells that a transaction is, which is the last where last.
	open, last bool
	tx         source.Tx
	// failed is the error of the handler.
	failed error
}

// compared is a table of which rows are read.
type compared struct {
	*table
	shape *reconcile.Table
	// same tells that what is remembered has the columns that are read.
	same bool
	// seen are the rows that were found, handled those that were handed on.
	seen, handled map[uint64]bool
}

// Reaching the database is tried again after minPause, then twice as long, up to
// maxPause.
const (
	minPause = 50 * time.Millisecond
	maxPause = time.Second
)

// run reads back and hands on. Its error is the handler's; what cannot be read is the
// rest.
func (rd *reading) run() error {
	o := &rd.h.r.opts
	ctx, cancel := context.WithTimeout(rd.h.ctx, o.Time)
	defer cancel()
	defer o.Reader.Close()
	rd.oldest = rd.gap.Since.Add(-o.Margin).UnixMicro()
	rd.read = map[*reconcile.Table]*compared{}
	if err := rd.reach(ctx); err != nil {
		rd.all(err.Error())
		return nil
	}
	for _, t := range rd.h.r.tables {
		if err := rd.scan(ctx, t); err != nil {
			rd.all(t.name + " cannot be read: " + err.Error())
		}
	}
	rd.cut()
	rd.places = between(max(rd.gap.After, rd.before()), rd.gap.Resume, uint64(max(len(rd.found), 1)))
	tables := make([]*reconcile.Table, 0, len(rd.read))
	for t := range rd.read {
		tables = append(tables, t)
	}
	more, err := reconcile.New(rd.options(tables)).FetchAll(ctx, rd.found)
	if rd.open && rd.failed == nil {
		rd.failed = rd.h.Commit(rd.tx)
	}
	if rd.failed != nil {
		return rd.failed
	}
	rd.unread(ctx, more, err)
	return nil
}

// before is the newest place that was handed on, 0 where the order begins anew.
func (rd *reading) before() uint64 {
	if rd.gap.Reload {
		return 0
	}
	return rd.h.last
}

// all notes that anything may be missing.
func (rd *reading) all(why string) { rd.rest.add(why, rd.gap.Since, rd.gap.Until) }

// reach waits until the database answers, and has what was lost.
func (rd *reading) reach(ctx context.Context) error {
	pause := retry.Backoff{Min: minPause, Max: maxPause}
	for {
		reached, err := rd.h.r.opts.Reader.Reached(ctx, rd.gap.Resume)
		var e *readback.Error
		switch {
		case err == nil && reached:
			return nil
		case errors.As(err, &e) && e.Permanent:
			return err
		case err == nil:
			err = errors.New("the database that look-ups read is a standby that is behind")
		}
		if retry.Sleep(ctx, pause.Next()) != nil {
			return err
		}
	}
}

// scan finds the rows of a table that differ from what is remembered. What of the
// table cannot be told it notes as the rest; its error is the database's.
func (rd *reading) scan(ctx context.Context, t *table) error {
	o := &rd.h.r.opts
	p, err := o.Reader.Published(ctx, o.Publication, t.conf)
	if err != nil || p == nil {
		return err // nothing of it is followed
	}
	conf := t.conf
	conf.Where = p.Where
	conf.Only = slices.Concat(t.conf.Only, t.conf.Key, reconcile.CustomaryWatch, t.conf.Watch, []string{customaryCreated, customaryUpdated, o.Times[t.name]})
	if p.Columns != nil {
		conf.Only = slices.DeleteFunc(conf.Only, func(c string) bool { return !slices.Contains(p.Columns, c) })
	}
	shape, err := o.Reader.Describe(ctx, conf)
	if err != nil {
		return err
	}
	if shape.Filtered {
		rd.all("row level security applies to the role that reads " + t.name + " (give it BYPASSRLS)")
	}
	conf.Only = nil
	for _, c := range shape.Columns {
		conf.Only = append(conf.Only, c.Name)
	}
	if slices.ContainsFunc(t.conf.Key, func(k string) bool { return !shape.Has(k) }) {
		rd.all("the role may not read the key of " + t.name + " (grant it select)")
		return nil
	}
	conf.Watch, conf.Updated = t.compared(shape)
	for _, created := range []string{customaryCreated, o.Times[t.name]} {
		if conf.Created == "" && shape.Has(created) {
			conf.Created = created
		}
	}
	if conf.Watch == nil {
		conf.Watch = []string{}
	}
	c := &compared{table: t, shape: reconcile.NewTable(conf, 1), seen: map[uint64]bool{}, handled: map[uint64]bool{}}
	c.same = t.bound && slices.Equal(conf.Watch, t.watch) && conf.Updated == t.updated
	if !c.shape.SetShape(shape) {
		rd.all(t.name + " has no column with the time of insert or update")
		return nil
	}
	rd.read[c.shape] = c
	compare := reconcile.New(rd.options(nil))
	for _, by := range conf.Times() {
		from := rd.oldest
		if by == conf.Created && conf.Updated == "" {
			from = min(from, rd.remembered(c))
		}
		if err := compare.Scan(ctx, c.shape, by, time.UnixMicro(from), func(s reconcile.Sketch) bool { rd.take(c, s); return true }); err != nil {
			return err
		}
	}
	return nil
}

// remembered is from when on, in microseconds, rows without a time of update are
// compared: as far as they are remembered, and for no longer than the window. Of older
// ones it is not told whether they changed.
func (rd *reading) remembered(c *compared) int64 {
	window := rd.gap.Since.Add(-rd.h.r.opts.Window).UnixMicro()
	known := c.digests.KnownSince()
	switch {
	case len(c.watch) == 0 && c.bound:
		rd.all("updates of " + c.name + ", which has no time of update")
	case !c.same || known == 0:
		rd.all("updates of older rows of " + c.name + ", which has no time of update, and of which none are remembered")
	case known > window:
		rd.all(fmt.Sprintf("updates of rows of %s from before %s, which has no time of update, and of which no older ones are remembered",
			c.name, time.UnixMicro(known).UTC().Format(time.RFC3339)))
		return known
	default:
		return window
	}
	return rd.oldest
}

// take notes a row that differs.
func (rd *reading) take(c *compared, s reconcile.Sketch) {
	key, state := s.Digest()
	if c.seen[key] || s.Created > rd.gap.Until.Add(rd.h.r.opts.Margin).UnixMicro() {
		return // the latter comes from the source
	}
	switch v, wholly := c.digests.Compare(key, state); {
	case !wholly && rd.recent(&s): // inserted in the gap, and perhaps updated after it
	case v == reconcile.Same:
		return
	case v == reconcile.Unknown:
		if s.Updated < rd.oldest {
			return // of before the gap, published by another process
		}
	case !c.same:
		return // nothing is known of what it was
	}
	c.seen[key] = true
	rd.found = append(rd.found, reconcile.Candidate{Table: c.shape, Sketch: s})
	if most := rd.h.r.opts.Rows; len(rd.found) > 2*most+1000 {
		rd.cut()
	}
}

// cut keeps the newest rows, and notes the rest.
func (rd *reading) cut() {
	over := len(rd.found) - rd.h.r.opts.Rows
	if over <= 0 {
		return
	}
	slices.SortStableFunc(rd.found, func(a, b reconcile.Candidate) int { return cmp.Compare(a.Sketch.At, b.Sketch.At) })
	until := time.UnixMicro(rd.found[over].Sketch.At).UTC()
	rd.rest.add(fmt.Sprintf("it was more than %d rows, of which the newest were sent", rd.h.r.opts.Rows), rd.gap.Since, latest(rd.gap.Since, until))
	rd.found = slices.Delete(rd.found, 0, over)
}

// unread notes what was found and not handed on.
func (rd *reading) unread(ctx context.Context, more bool, err error) {
	oldest := int64(0)
	for i := range rd.found {
		f := &rd.found[i]
		key, _ := f.Sketch.Digest()
		if !rd.read[f.Table].handled[key] && (oldest == 0 || f.Sketch.At < oldest) {
			oldest = f.Sketch.At
		}
	}
	switch {
	case err == nil && !more && ctx.Err() == nil:
		// What is left was deleted meanwhile, or was reported by itself.
	case oldest == 0:
	case ctx.Err() != nil || more:
		rd.rest.add(fmt.Sprintf("it took longer than %s", rd.h.r.opts.Time), latest(rd.gap.Since, time.UnixMicro(oldest).UTC()), rd.gap.Until)
	default:
		rd.rest.add("rows cannot be read: "+err.Error(), latest(rd.gap.Since, time.UnixMicro(oldest).UTC()), rd.gap.Until)
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (rd *reading) options(tables []*reconcile.Table) reconcile.Options {
	r := rd.h.r
	return reconcile.Options{
		Reader: r.opts.Reader, Tables: tables, Clock: &clock{began: time.Now()}, Logger: r.opts.Logger,
		PageSize: pageSize, RetryUnreadable: time.Hour, Requests: &r.requests, RowsRead: &r.rowsRead,
		Mark:    func() (uint64, int64) { return 0, 0 },
		Publish: rd.publish,
		Gap: func(_ context.Context, g source.Gap) error {
			rd.failed = rd.h.next.Gap(g)
			return rd.failed
		},
		Again: func([]reconcile.Candidate) {}, // unread finds them
	}
}

const pageSize = 1000

// publish hands on the rows of a batch as one transaction, or as a part of the last
// that there is a place for. Its time is that of its oldest row, so that a client which
// has a part of it lacks nothing of before that time.
func (rd *reading) publish(_ context.Context, b *reconcile.Batch) error {
	for i := range b.Rows {
		row := &b.Rows[i]
		c := rd.read[row.Table]
		key, state := row.Sketch.Digest()
		c.handled[key] = true
		verdict, wholly := c.digests.Compare(key, state)
		insert := !wholly && rd.recent(&row.Sketch)
		if verdict == reconcile.Same && !insert {
			continue
		}
		if !rd.open {
			if rd.failed = rd.begin(row.Sketch.At); rd.failed != nil {
				return rd.failed
			}
		}
		for _, change := range changes(row, insert) {
			if rd.failed = rd.h.next.Change(change); rd.failed != nil {
				return rd.failed
			}
		}
		c.digests.Put(key, state, insert, rd.tx.Time.UnixMicro())
		rd.h.pending = append(rd.h.pending, pendingRow{c.table, key})
		rd.h.r.rows.Add(1)
	}
	if rd.open && !rd.last {
		rd.open = false
		rd.failed = rd.h.Commit(rd.tx)
	}
	return rd.failed
}

func (rd *reading) begin(at int64) error {
	commit, last := rd.places.take()
	rd.tx = source.Tx{Commit: commit, Time: latest(rd.gap.Since, time.UnixMicro(at)).UTC()}
	if rd.gap.Reload || rd.tx.Time.After(rd.gap.Until) {
		// What is older belongs to the other history, or is ahead of the clock.
		rd.tx.Time = rd.gap.Until
	}
	rd.open, rd.last = true, last
	return rd.h.Begin(rd.tx)
}

// recent reports whether the row may have been inserted in the gap.
func (rd *reading) recent(s *reconcile.Sketch) bool { return s.Created == 0 || s.Created >= rd.oldest }

// changes are what a row amounts to. What it was is not remembered: so its update is
// one of which the mapping does not know what changed.
func changes(row *reconcile.Row, insert bool) []*source.Change {
	all := row.Changes(&reconcile.Entry{}, false, insert)
	if !insert {
		all = all[:1]
		all[0].Op = source.Update
	}
	return all
}

// clock goes by our own: only what is waited for, and what is logged, goes by it.
type clock struct{ began time.Time }

func (c *clock) Elapsed() time.Duration { return time.Since(c.began) }
func (c *clock) Now() time.Time         { return time.Now().UTC() }
func (c *clock) Read(time.Time)         {}
