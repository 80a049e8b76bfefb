package realtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"chatbridge/source"
	"chatbridge/source/realtime/readback"
)

// reconciler compares the database with what was published, and has the
// difference published.
type reconciler struct {
	s      *Source
	reader Reader
	wake   chan struct{}

	// mu guards what other goroutines ask for.
	mu sync.Mutex
	// gapGen counts the gaps, doneGen is the gap up to which all is read back.
	gapGen, doneGen uint64
	soon            bool
	// later is when passes were asked for ahead of time.
	later []time.Duration
	dirty map[*table]map[string][]string

	// What follows is the run goroutine's own.
	maxPage   int // the longest page ever received: see scan
	lastStart time.Duration
	lastFull  time.Duration // start of the last complete pass over Window, 0 for none
	lastAny   time.Duration // start of the last complete pass
	backoff   backoff
	// notBefore is when to ask again after a failure.
	notBefore time.Duration
}

// candidate is a row that differed when it was scanned.
type candidate struct {
	table *table
	s     sketch
	seq   uint64
	force bool
}

const (
	// fetchSize is how many whole rows are read at once.
	fetchSize = 100
	// maxCandidates bounds what one pass keeps in memory; the next goes on.
	maxCandidates = 20_000
)

func newReconciler(s *Source, r Reader) *reconciler {
	return &reconciler{
		s: s, reader: r, wake: make(chan struct{}, 1),
		dirty:   map[*table]map[string][]string{},
		backoff: backoff{waits: s.opts.Timing.Backoff},
	}
}

// request asks for a pass soon; with gap, for one over the whole window.
func (r *reconciler) request(gap bool) {
	r.mu.Lock()
	if gap {
		r.gapGen++
	}
	r.soon = true
	r.mu.Unlock()
	r.poke()
}

func (r *reconciler) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// requestAfter asks for a pass over the whole window after a wait.
func (r *reconciler) requestAfter(d time.Duration) {
	r.mu.Lock()
	r.later = append(r.later, r.s.clock.elapsed()+d)
	r.mu.Unlock()
	r.poke()
}

// refetch asks for a row to be read back whole and published.
func (r *reconciler) refetch(t *table, key []string) {
	r.mu.Lock()
	if r.dirty[t] == nil {
		r.dirty[t] = map[string][]string{}
	}
	r.dirty[t][strings.Join(key, "\x00")] = key
	r.mu.Unlock()
	r.request(false)
}

func (r *reconciler) gapOpen() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gapGen != r.doneGen
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
		case <-r.wake:
			continue
		case <-timer.C:
		}
		wait := r.cycle(ctx)
		next = r.s.clock.elapsed() + wait
	}
}

// untilDue is the time to the next pass: next, or earlier where one was asked
// for or a channel stopped delivering, but not before a failure's wait.
func (r *reconciler) untilDue(next time.Duration) time.Duration {
	r.mu.Lock()
	soon, gap := r.soon, r.gapGen != r.doneGen
	due := next
	for _, at := range r.later {
		due = min(due, at)
	}
	r.mu.Unlock()
	now := r.s.clock.elapsed()
	due = min(due, r.lastStart+r.interval())
	if soon {
		// Requests that come thick are answered together; but not where
		// streamed changes wait for the answer.
		at := r.lastStart + r.s.opts.Timing.Backoff[0]
		if r.lastStart == 0 || (gap && r.s.hold.left() > 0) {
			at = now
		}
		due = min(due, at)
	}
	return max(due, r.notBefore) - now
}

// cycle does one pass and returns the wait before the next.
func (r *reconciler) cycle(ctx context.Context) time.Duration {
	r.mu.Lock()
	gen := r.gapGen
	gap := gen != r.doneGen
	r.soon = false
	begin := r.s.clock.elapsed()
	asked := len(r.later)
	r.later = slices.DeleteFunc(r.later, func(at time.Duration) bool { return at <= begin })
	planned := len(r.later) < asked
	r.mu.Unlock()

	o := &r.s.opts
	r.lastStart = max(begin, 1)
	full := gap || planned || r.lastFull == 0 || begin-r.lastFull >= o.WindowInterval || begin-r.lastAny >= o.RecentWindow
	since := r.lastFull
	more, err := r.pass(ctx, full, gap)
	r.s.stats.lastDur.Store(int64(r.s.clock.elapsed() - begin))
	if err != nil {
		wait := r.failed(ctx, err)
		r.notBefore = r.s.clock.elapsed() + wait
		return wait
	}
	r.backoff.reset()
	r.notBefore = 0
	if r.s.stats.setReadError("") {
		r.s.log.Info("reading rows back works again")
	}
	if more {
		return 0
	}
	r.s.stats.lastPass.Store(time.Now().UnixNano())
	r.s.stats.passes.Add(1)
	r.lastAny = begin
	if full {
		r.lastFull = begin
	}
	if gap {
		r.closeGap(ctx, gen, since)
	}
	return r.interval()
}

// failed counts and reports a failed pass and returns the wait before the
// next.
func (r *reconciler) failed(ctx context.Context, err error) time.Duration {
	if ctx.Err() != nil {
		return time.Hour
	}
	r.s.stats.failures.Add(1)
	if r.s.stats.setReadError(err.Error()) {
		r.s.log.Warn("cannot read rows back; what the stream loses stays missing until this works", "error", err)
	}
	var e *readback.Error
	wait := r.backoff.next()
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

// closeGap notes that everything up to gap gen was read back, and lets held
// changes go. What was out of reach is reported to the handler.
func (r *reconciler) closeGap(ctx context.Context, gen uint64, since time.Duration) {
	r.mu.Lock()
	r.doneGen = gen
	closed := r.gapGen == gen
	r.mu.Unlock()
	var lost []string
	for _, t := range r.s.tables.list {
		if !t.reconcilable.Load() {
			lost = append(lost, t.name)
		}
	}
	out := r.s.clock.elapsed() - since
	g := source.Gap{Until: r.s.clock.now()}
	switch {
	case since == 0:
		// The start: nothing was published before it.
	case len(lost) > 0:
		g.Reason = strings.Join(lost, ", ") + " has no column with the time of insert or update, so what Realtime did not deliver cannot be read back"
	case out > r.s.opts.Window:
		g.Reason = fmt.Sprintf("nothing could be read back for %s, longer than the window of %s", out.Round(time.Second), r.s.opts.Window)
	}
	if g.Reason != "" {
		g.Since = g.Until.Add(-out)
		_, _ = r.publish(ctx, &batch{gap: &g})
	}
	if closed {
		r.s.hold.end()
	}
}

// pass compares every table. It reports whether it stopped short for there
// was too much. A failure on one table does not keep it from the others.
func (r *reconciler) pass(ctx context.Context, full, gap bool) (more bool, err error) {
	span := r.s.opts.RecentWindow
	if full {
		span = r.s.opts.Window
	}
	since := r.s.clock.now().Add(-span)
	cands := r.takeDirty()
	forced := len(cands) > 0
	var errs []error
	for _, t := range r.s.tables.list {
		found, cut, terr := r.scanTable(ctx, t, since, full)
		if terr != nil {
			if ctx.Err() != nil {
				return false, ctx.Err()
			}
			errs = append(errs, terr)
		}
		cands = append(cands, found...)
		more = more || cut
	}
	if !gap && !forced {
		if cands, err = r.graced(ctx, cands); err != nil {
			return false, err
		}
	}
	slices.SortStableFunc(cands, func(a, b candidate) int { return cmp.Compare(a.s.at, b.s.at) })
	missed := map[*table]int{}
	for len(cands) > 0 {
		n := min(len(cands), fetchSize)
		if err := r.fetch(ctx, cands[:n], missed); err != nil {
			r.putBack(cands)
			return false, errors.Join(append(errs, err)...)
		}
		cands = cands[n:]
	}
	r.judge(missed)
	if full {
		before := since.Add(-10 * time.Minute).UnixMicro()
		for _, t := range r.s.tables.list {
			t.ledger.prune(before)
		}
	}
	return more, errors.Join(errs...)
}

// takeDirty returns the rows that must be read whole.
func (r *reconciler) takeDirty() []candidate {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []candidate
	for t, keys := range r.dirty {
		for _, key := range keys {
			out = append(out, candidate{table: t, s: sketch{key: key}, force: true})
		}
	}
	clear(r.dirty)
	return out
}

// putBack keeps the rows that must be read whole for the next pass; the
// others are found again.
func (r *reconciler) putBack(cands []candidate) {
	for _, c := range cands {
		if c.force {
			r.refetch(c.table, c.s.key)
		}
	}
}

// scanTable returns the rows of a table that differ from what was published,
// and whether it stopped short for there were too many.
func (r *reconciler) scanTable(ctx context.Context, t *table, since time.Time, full bool) (out []candidate, cut bool, err error) {
	if !t.isDescribed() {
		r.s.stats.requests.Add(1)
		shape, err := r.reader.Describe(ctx, t.config())
		if err != nil {
			return nil, false, err
		}
		ok := t.learn(shape)
		t.reconcilable.Store(ok)
		if !ok && len(shape.Columns) > 0 {
			r.s.log.Warn("table has no column with the time of insert or update: what Realtime loses of it stays lost",
				"table", t.name, "remedy", "name such a column in the configuration, or use source.kind postgres")
		}
	}
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
	q := readback.ScanRequest{Table: t.config(), By: by, Since: since, Limit: r.s.opts.PageSize}
	for {
		page, err := r.reader.Scan(ctx, q)
		r.s.stats.requests.Add(1)
		if err != nil {
			return err
		}
		r.s.stats.rowsRead.Add(uint64(len(page.Rows)))
		r.s.clock.read(page.Time)
		for _, row := range page.Rows {
			if s, ok := t.sketchRead(row); ok && !fn(s) {
				return nil
			}
		}
		n := len(page.Rows)
		// The server may have a lower limit than ours: a short page is the
		// last only where a longer one has been seen, else one more is asked
		// for.
		if n == 0 || (n < q.Limit && n < r.maxPage) {
			return nil
		}
		r.maxPage = max(r.maxPage, n)
		last, ok := q.Table.Cursor(by, page.Rows[n-1])
		if !ok || slices.Equal(last, q.After) {
			return &readback.Error{Op: "scan " + t.name, Err: errors.New("a page does not end after the last page's end")}
		}
		q.After = last
	}
}

// graced gives differences of live channels time to arrive by the stream, and
// returns those that are still there.
func (r *reconciler) graced(ctx context.Context, cands []candidate) ([]candidate, error) {
	wait := false
	for i := range cands {
		wait = wait || cands[i].table.liveSince.Load() != 0
	}
	if !wait {
		return cands, nil
	}
	timer := time.NewTimer(r.s.opts.Timing.Grace)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-timer.C:
	}
	// A row that the stream has touched meanwhile is being delivered; the
	// next pass sees whether it came out right.
	return slices.DeleteFunc(cands, func(c candidate) bool {
		v, seq := c.table.ledger.compare(&c.s)
		return !c.force && (v == rowSame || seq != c.seq)
	}), nil
}

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
			gone[strings.Join(k, "\x00")] = true
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
			r.refetch(row.table, row.s.key)
		} else {
			r.request(false)
		}
	}
	return nil
}

// oughtToKnow reports whether a row of this age would be in the ledger, had
// it been published.
func (r *reconciler) oughtToKnow(t *table, s *sketch) bool {
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
	t.learn(shape)
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
