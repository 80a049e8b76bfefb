package realtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chatbridge/source"
	"chatbridge/source/readback"
	"chatbridge/source/reconcile"
)

// shelf is a Reader over rows in memory, with a server's own limit of rows in a
// page.
type shelf struct {
	rows     []readback.Row // in the order of their times
	page     int
	scans    []readback.ScanRequest
	fetched  []string
	fetchErr error
	// most is the largest number of rows in one question, 0 for any.
	most    int
	damaged string // the key of a row that cannot be read
	silent  bool   // nothing but scans is answered
	// mostScanned is the largest number of rows that a scan may ask for, 0 for any;
	// damagedSketch is the key of a row of which not even the sketch can be read.
	mostScanned   int
	damagedSketch string
	fetches       int
	ahead         time.Duration // of our clock before the database's
	untimed       bool          // the table has no column of time
	onScan        func()        // within a scan
	onFetch       func()        // within a fetch
}

var shelfShape = readback.Shape{Columns: []source.Column{
	{Name: "id", Type: "text", Key: true},
	{Name: "status", Type: "text"},
	{Name: "created_at", Type: "timestamptz"},
	{Name: "updated_at", Type: "timestamptz"},
	{Name: "workspace", Type: "text"},
}}

func (s *shelf) Describe(context.Context, readback.Table) (readback.Shape, error) {
	if s.silent {
		return readback.Shape{}, errors.New("no answer")
	}
	shape := shelfShape
	if s.untimed {
		shape.Columns = slices.DeleteFunc(slices.Clone(shape.Columns), func(c source.Column) bool { return c.Type == "timestamptz" })
	}
	shape.Time = time.Now().Add(-s.ahead)
	return shape, nil
}

func (s *shelf) Scan(_ context.Context, q readback.ScanRequest) (readback.Page, error) {
	s.scans = append(s.scans, q)
	if s.onScan != nil {
		s.onScan()
	}
	page := readback.Page{Time: time.Now().Add(-s.ahead)}
	for _, row := range s.rows {
		at, ok := q.Table.Cursor(q.By, row)
		if !ok || q.After != nil && slices.Compare(at, q.After) <= 0 || at[0] < q.Since.UTC().Format(shelfTime) {
			continue
		}
		if len(page.Rows) >= min(s.page, q.Limit) {
			break
		}
		page.Rows = append(page.Rows, row)
		if s.mostScanned > 0 && len(page.Rows) > s.mostScanned || len(q.Table.Watch) > 0 && string(row["id"]) == strconv.Quote(s.damagedSketch) {
			return readback.Page{}, &readback.Error{Err: errors.New("too much"), Less: true}
		}
	}
	return page, nil
}

func (s *shelf) Fetch(_ context.Context, t readback.Table, keys [][]string) ([]readback.Row, error) {
	if s.fetchErr != nil {
		return nil, s.fetchErr
	}
	s.fetches++
	if s.onFetch != nil {
		s.onFetch()
	}
	has := func(key []string) bool { return key[0] == s.damaged }
	if s.most > 0 && len(keys) > s.most || slices.ContainsFunc(keys, has) {
		return nil, &readback.Error{Err: errors.New("too much"), Less: true}
	}
	var found []readback.Row
	for _, key := range keys {
		s.fetched = append(s.fetched, key[0])
		for _, row := range s.rows {
			if k, ok := t.KeyOf(row); ok && slices.Equal(k, key) {
				found = append(found, row)
			}
		}
	}
	return found, nil
}

const shelfTime = "2006-01-02T15:04:05.000000Z07:00"

func (s *shelf) put(id, status string, at time.Time) {
	text := func(v string) json.RawMessage { return json.RawMessage(fmt.Sprintf("%q", v)) }
	time := text(at.UTC().Format(shelfTime))
	workspace, _, _ := strings.Cut(id, "/")
	s.rows = append(s.rows, readback.Row{"id": text(id), "status": text(status), "created_at": time, "updated_at": time, "workspace": text(workspace)})
}

// taker is a Handler that keeps the rows' keys and the gaps.
type taker struct {
	keys  []string
	gaps  []source.Gap
	first uint64 // the Commit of the first transaction
}

func (t *taker) Begin(tx source.Tx) error {
	if t.first == 0 {
		t.first = tx.Commit
	}
	return nil
}
func (t *taker) Commit(source.Tx) error { return nil }
func (t *taker) Gap(g source.Gap) error { t.gaps = append(t.gaps, g); return nil }
func (t *taker) Change(c *source.Change) error {
	row := c.New
	if c.Op == source.Delete {
		row = c.Old
	}
	t.keys = append(t.keys, c.Op.String()+" "+string(row[0].Data)+" "+string(row[1].Data))
	return nil
}

// compared is a Source that has no stream: what it publishes is read back.
type compared struct {
	*Source
	shelf *shelf
	taken *taker
	// publish is a publisher that runs, or, before that, may be used directly.
	publish *publisher
}

// comparing runs f with one in a world of its own time.
func comparing(t *testing.T, run bool, f func(t *testing.T, c *compared)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &compared{shelf: &shelf{page: 1000}, taken: &taker{}}
		var err error
		c.Source, err = New(Options{
			URL: "https://ref.example.test", Key: "sb_secret_x", Reader: c.shelf,
			Tables: []Table{{Schema: "public", Name: "messages", Workspace: "workspace", Conversation: "workspace"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		c.publish = &publisher{s: c.Source, h: c.taken}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		if run {
			go func() { defer close(done); _ = c.publish.run(ctx) }()
		} else {
			close(done)
		}
		time.Sleep(time.Second) // no comparison begins at the very start
		f(t, c)
		cancel()
		<-done
	})
}

// pass does one comparison.
func (c *compared) pass(t *testing.T) { c.rec.cycle(t.Context()); synctest.Wait() }

// TestAGapDuringAPassStaysOpen: what the stream lost after a comparison began,
// that comparison may not have seen.
func TestAGapDuringAPassStaysOpen(t *testing.T) {
	comparing(t, true, func(t *testing.T, c *compared) {
		c.gap(nil, gapStart)
		c.shelf.onScan = func() { c.shelf.onScan = nil; c.gap(nil, gapStart) }
		c.pass(t)
		if !c.rec.requests.gapOpen() {
			t.Error("a gap that came during a comparison was closed by it")
		}
		c.pass(t)
		if c.rec.requests.gapOpen() {
			t.Error("a gap is open after a comparison that began after it")
		}
	})
}

// TestAGapIsReadBackOverTheWindow: not over the recent past alone.
func TestAGapIsReadBackOverTheWindow(t *testing.T) {
	comparing(t, true, func(t *testing.T, c *compared) {
		since := func() time.Duration {
			c.shelf.scans = nil
			c.pass(t)
			return time.Since(c.shelf.scans[0].Since).Round(time.Second)
		}
		if got := since(); got != c.opts.Window {
			t.Errorf("the first comparison goes back %v, want %v", got, c.opts.Window)
		}
		if got := since(); got != c.opts.RecentWindow {
			t.Errorf("the next goes back %v, want %v", got, c.opts.RecentWindow)
		}
		c.gap(nil, gapStart)
		if got := since(); got != c.opts.Window {
			t.Errorf("after a gap it goes back %v, want %v", got, c.opts.Window)
		}
	})
}

// TestForcedRowsOutliveAFailure: a row that is to be read whole is read by the
// next comparison where this one's request failed.
func TestForcedRowsOutliveAFailure(t *testing.T) {
	comparing(t, true, func(t *testing.T, c *compared) {
		c.pass(t)
		c.shelf.put("m1", "sent", time.Now().Add(-30*time.Hour)) // no scan would find it
		c.rec.requests.row(c.tables.list[0].Table, []string{"m1"})
		c.shelf.fetchErr = errors.New("no answer")
		c.pass(t)
		c.shelf.fetchErr = nil
		c.pass(t)
		if !slices.Equal(c.shelf.fetched, []string{"m1"}) || len(c.taken.keys) == 0 {
			t.Errorf("fetched %q and published %q", c.shelf.fetched, c.taken.keys)
		}
	})
}

// TestAllPagesAreRead: also where the server gives less in a page than it was
// asked for.
func TestAllPagesAreRead(t *testing.T) {
	comparing(t, true, func(t *testing.T, c *compared) {
		c.shelf.page = 3
		for i := range 10 {
			c.shelf.put(fmt.Sprint("m", i), "sent", time.Now().Add(time.Duration(i)*time.Millisecond))
		}
		c.pass(t)
		if n := len(c.shelf.fetched); n != 10 {
			t.Errorf("%d of 10 rows were read back, in pages of 3", n)
		}
	})
}

// TestWhatCannotBeReadBackIsReported: a gap in a table without a column of time.
func TestWhatCannotBeReadBackIsReported(t *testing.T) {
	comparing(t, true, func(t *testing.T, c *compared) {
		c.pass(t)
		c.tables.list[0].reconcilable.Store(false)
		time.Sleep(time.Second)
		c.gap(nil, gapStart)
		c.pass(t)
		if len(c.taken.gaps) != 1 || c.taken.gaps[0].Until.Sub(c.taken.gaps[0].Since) < time.Second {
			t.Errorf("gaps %+v, want one of a second", c.taken.gaps)
		}
	})
}

// TestWorkspacesAreReadFairly: what one workspace has to be read back does not keep
// others waiting, and the rows of each come in order.
func TestWorkspacesAreReadFairly(t *testing.T) {
	comparing(t, true, func(t *testing.T, c *compared) {
		for i := range 500 {
			c.shelf.put(fmt.Sprintf("large/%03d", i), "sent", time.Now().Add(time.Duration(i)*time.Millisecond))
		}
		for i := range 20 {
			c.shelf.put(fmt.Sprintf("small/%03d", i), "sent", time.Now().Add(time.Second+time.Duration(i)*time.Millisecond))
		}
		c.pass(t)
		if len(c.shelf.fetched) != 520 {
			t.Fatalf("read back %d rows of 520", len(c.shelf.fetched))
		}
		if at := slices.Index(c.shelf.fetched, "small/019"); at > 60 {
			t.Errorf("%d rows were read before the last of a workspace with 20", at)
		}
		for _, w := range []string{"large", "small"} {
			mine := slices.DeleteFunc(slices.Clone(c.shelf.fetched), func(id string) bool { return !strings.HasPrefix(id, w) })
			if !slices.IsSorted(mine) {
				t.Errorf("the rows of %s are out of order", w)
			}
		}
	})
}

// TestBatchesFitABound: what was too much is not asked for again and again.
func TestBatchesFitABound(t *testing.T) {
	comparing(t, true, func(t *testing.T, c *compared) {
		for i := range 200 {
			c.shelf.put(fmt.Sprintf("w/%03d", i), "sent", time.Now().Add(time.Duration(i)*time.Millisecond))
		}
		c.shelf.most = 20
		c.pass(t)
		if n := len(c.shelf.fetched); n != 200 {
			t.Errorf("read back %d rows of 200", n)
		}
		if c.shelf.fetches > 15 {
			t.Errorf("it took %d questions of at most 20 rows", c.shelf.fetches)
		}
	})
}

// TestHalvingFindsTheRow: a row that cannot be read costs a few questions, is reported
// with its key, and is not tried again at once; the others are read.
func TestHalvingFindsTheRow(t *testing.T) {
	comparing(t, true, func(t *testing.T, c *compared) {
		for i := range 100 {
			c.shelf.put(fmt.Sprintf("w/%03d", i), "sent", time.Now().Add(time.Duration(i)*time.Millisecond))
		}
		c.shelf.damaged = "w/050"
		c.pass(t)
		if n := len(c.shelf.fetched); n != 99 {
			t.Errorf("read back %d rows of the 99 that can be read", n)
		}
		if c.shelf.fetches > 40 {
			t.Errorf("it took %d questions", c.shelf.fetches)
		}
		if len(c.taken.gaps) != 1 || !strings.Contains(c.taken.gaps[0].Reason, "w/050") || c.taken.gaps[0].Workspace != "w" {
			t.Errorf("gaps %+v, want one with the key", c.taken.gaps)
		}
		asked := c.shelf.fetches
		c.pass(t)
		if c.shelf.fetches != asked || len(c.taken.gaps) != 1 {
			t.Errorf("it was asked for again at once: %d questions, %d gaps", c.shelf.fetches-asked, len(c.taken.gaps))
		}
		time.Sleep(c.opts.WindowInterval)
		c.shelf.damaged = ""
		c.pass(t)
		if n := len(c.shelf.fetched); n != 100 {
			t.Errorf("read back %d rows of 100 once all can be read", n)
		}
	})
}

// TestSilentServerIsNoUnreadableRow: where nothing else is answered either.
func TestSilentServerIsNoUnreadableRow(t *testing.T) {
	comparing(t, true, func(t *testing.T, c *compared) {
		c.pass(t)
		c.shelf.put("w/1", "sent", time.Now())
		c.shelf.damaged, c.shelf.silent = "w/1", true
		c.pass(t)
		if len(c.taken.gaps) > 0 || c.stats.failures.Load() != 1 {
			t.Errorf("gaps %+v, %d failures", c.taken.gaps, c.stats.failures.Load())
		}
	})
}

// TestScanOfLargeSketches: watched columns may be long, or damaged.
func TestScanOfLargeSketches(t *testing.T) {
	comparing(t, true, func(t *testing.T, c *compared) {
		for i := range 50 {
			c.shelf.put(fmt.Sprintf("w/%03d", i), "sent", time.Now().Add(time.Duration(i)*time.Millisecond))
		}
		c.shelf.mostScanned, c.shelf.damagedSketch = 10, "w/020"
		c.pass(t)
		if n := len(c.shelf.fetched); n != 49 {
			t.Errorf("read back %d rows of 49", n)
		}
		if len(c.taken.gaps) != 1 || !strings.Contains(c.taken.gaps[0].Reason, "w/020") {
			t.Errorf("gaps %+v, want one with the key", c.taken.gaps)
		}
	})
}

// TestAMissedRowIsFollowedByTheWindow: where the stream has lost what is recent, it may
// have lost statuses of what is older, too. The window is compared at once, and while
// losses go on now and then.
func TestAMissedRowIsFollowedByTheWindow(t *testing.T) {
	comparing(t, true, func(t *testing.T, c *compared) {
		tb := c.tables.list[0]
		tb.liveSince.Store(1)
		c.pass(t) // over the window
		next := func() time.Duration { return c.rec.untilDue(c.rec.lastStart + c.rec.interval()) }
		lose := func() (since time.Duration) {
			t.Helper()
			c.shelf.put(fmt.Sprint("m", len(c.shelf.rows)), "sent", time.Now())
			c.shelf.scans = nil
			c.pass(t)
			return time.Since(c.shelf.scans[0].Since).Round(time.Minute)
		}
		time.Sleep(10 * time.Minute)
		if got := lose(); got != c.opts.RecentWindow || next() > c.opts.Timing.MinRetry {
			t.Fatalf("a row of the last %v was missed, and the next comparison is in %v", got, next())
		}
		if c.Stats().Reconcile.LastMissed.IsZero() {
			t.Error("what was missed is not said")
		}
		time.Sleep(max(next(), 0))
		if got := lose(); got != c.opts.Window {
			t.Errorf("the next comparison goes back %v", got)
		}
		if next() < 10*time.Second {
			t.Errorf("while losses go on, the window is compared again in %v", next())
		}
		full := 0
		for range 20 {
			time.Sleep(max(next(), time.Second))
			if lose() == c.opts.Window {
				full++
			}
		}
		if full == 0 || full > 6 {
			t.Errorf("the window was compared %d times in 20 comparisons that missed rows", full)
		}
	})
}

// streamed is a change of the stream; its conversation is what is before the slash.
func (c *compared) streamed(id string, truncated bool) *change {
	text := func(v string) source.Value { return source.Value{Kind: source.Text, Data: []byte(v)} }
	at := time.Now().UTC()
	when := text(at.Format(shelfTime))
	conversation, _, _ := strings.Cut(id, "/")
	tb := c.tables.list[0]
	return &change{
		table: tb, op: source.Insert, rel: tb.Current(), at: at, truncated: truncated,
		row: source.Row{text(id), text("sent"), when, when, text(conversation)},
	}
}

// TestAConversationWaitsForWhatIsReadBack: what streams of it, and nothing else, for as
// long as a bound.
func TestAConversationWaitsForWhatIsReadBack(t *testing.T) {
	order := func(c *compared) (ids []string) {
		for _, key := range c.taken.keys {
			if op, rest, _ := strings.Cut(key, " "); op == "insert" {
				id, _, _ := strings.Cut(rest, " ")
				ids = append(ids, id)
			}
		}
		return ids
	}
	want := func(t *testing.T, c *compared, ids ...string) {
		t.Helper()
		if got := order(c); !slices.Equal(got, ids) {
			t.Errorf("published %q, want %q", got, ids)
		}
	}
	t.Run("a lost row", func(t *testing.T) {
		comparing(t, true, func(t *testing.T, c *compared) {
			c.pass(t)
			c.shelf.put("a/lost", "sent", time.Now())
			c.shelf.onFetch = func() {
				c.queue.push(c.streamed("a/later", false))
				c.queue.push(c.streamed("b/later", false))
				time.Sleep(time.Second)
			}
			c.pass(t)
			want(t, c, "b/later", "a/lost", "a/later")
			if n := c.Stats().Queued; n != 0 {
				t.Errorf("%d changes wait", n)
			}
		})
	})
	t.Run("a row that came cut off", func(t *testing.T) {
		comparing(t, true, func(t *testing.T, c *compared) {
			c.pass(t)
			c.shelf.put("a/large", "sent", time.Now())
			c.queue.push(c.streamed("a/large", true))
			c.queue.push(c.streamed("a/later", false))
			c.queue.push(c.streamed("b/later", false))
			time.Sleep(time.Second)
			c.pass(t)
			want(t, c, "b/later", "a/large", "a/later")
		})
	})
	t.Run("for a while", func(t *testing.T) {
		comparing(t, true, func(t *testing.T, c *compared) {
			c.pass(t)
			c.shelf.put("a/lost", "sent", time.Now())
			c.shelf.onFetch = func() {
				c.queue.push(c.streamed("a/later", false))
				time.Sleep(c.opts.Timing.Hold + time.Second)
			}
			c.pass(t)
			want(t, c, "a/later", "a/lost")
		})
	})
	t.Run("while there is room", func(t *testing.T) {
		comparing(t, true, func(t *testing.T, c *compared) {
			c.opts.QueueChanges = 3
			c.pass(t)
			c.shelf.put("a/lost", "sent", time.Now())
			c.shelf.onFetch = func() {
				for i := range 4 {
					c.queue.push(c.streamed(fmt.Sprint("a/later", i), false))
					time.Sleep(100 * time.Millisecond)
				}
			}
			c.pass(t)
			want(t, c, "a/later0", "a/later1", "a/later2", "a/later3", "a/lost")
		})
	})
}

// TestRowsFromBeforeTheStartAreKnown: a start does not publish the window.
func TestRowsFromBeforeTheStartAreKnown(t *testing.T) {
	comparing(t, true, func(t *testing.T, c *compared) {
		c.shelf.put("old", "sent", time.Now().Add(-time.Hour))
		c.shelf.put("recent", "sent", time.Now().Add(-time.Second))
		c.pass(t)
		if !slices.Equal(c.shelf.fetched, []string{"recent"}) {
			t.Errorf("read back %q, want what is recent alone", c.shelf.fetched)
		}
	})
}

// TestTheDatabasesClockCounts: what is recent is so by the database's clock, wherever
// the bridge's own is.
func TestTheDatabasesClockCounts(t *testing.T) {
	for _, ahead := range []time.Duration{10 * time.Minute, -10 * time.Minute} {
		comparing(t, true, func(t *testing.T, c *compared) {
			c.shelf.ahead = ahead
			now := time.Now().Add(-ahead)
			c.shelf.put("old", "sent", now.Add(-time.Hour))
			c.shelf.put("recent", "sent", now.Add(-time.Second))
			c.pass(t)
			if !slices.Equal(c.shelf.fetched, []string{"recent"}) {
				t.Errorf("%v ahead of the database: read back %q, want what is recent alone", ahead, c.shelf.fetched)
			}
		})
	}
}

// TestAWrongClockLosesNothing: whichever of the clocks is wrong, that of what answers for
// PostgREST, this machine's, or both where the stream has shown the database's, rows that are
// new are read back, in the first comparison and later, and it is told.
func TestAWrongClockLosesNothing(t *testing.T) {
	for name, at := range map[string]struct {
		date, own time.Duration // ahead of the database's clock
		stream    bool          // has shown the database's clock
		told      bool
	}{
		"all right":                {},
		"date ahead":               {date: 2 * time.Hour, told: true},
		"date far ahead":           {date: 23 * time.Hour, told: true},
		"date behind":              {date: -2 * time.Hour, told: true},
		"date 3 days ahead":        {date: 72 * time.Hour, stream: true, told: true},
		"own ahead":                {own: 2 * time.Hour, told: true},
		"own a week ahead":         {own: 7 * 24 * time.Hour, told: true},
		"own behind":               {own: -2 * time.Hour, told: true},
		"own from another decade":  {own: -10 * 365 * 24 * time.Hour, told: true},
		"both ahead":               {date: 2 * time.Hour, own: 2 * time.Hour, stream: true},
		"both ahead, differently":  {date: 2 * time.Hour, own: 5 * time.Hour, stream: true, told: true},
		"date is right, by stream": {own: 2 * time.Hour, stream: true, told: true},
	} {
		t.Run(name, func(t *testing.T) {
			comparing(t, true, func(t *testing.T, c *compared) {
				c.shelf.ahead = at.own - at.date
				database := func() time.Time { return time.Now().Add(-at.own) }
				if at.stream {
					c.clock.observe(database().Add(-300*time.Millisecond), c.clock.Elapsed())
				}
				c.shelf.put("m1", "sent", database().Add(-time.Second))
				c.pass(t)
				if !slices.Contains(c.shelf.fetched, "m1") {
					t.Errorf("the first comparison read back %q", c.shelf.fetched)
				}
				for range 3 { // of the recent ones
					time.Sleep(time.Minute)
				}
				c.shelf.put("m2", "sent", database().Add(-time.Second))
				c.pass(t)
				if !slices.Contains(c.shelf.fetched, "m2") {
					t.Errorf("a later comparison read back %q", c.shelf.fetched)
				}
				if told := c.Stats().Reconcile.ClockAhead; (told != 0) != at.told || told != 0 && (told-(at.date-at.own)).Abs() > time.Second {
					t.Errorf("told that the clock is %v ahead, want %v", told, at.date-at.own)
				}
				most := 24*time.Hour + c.opts.Window
				for _, q := range c.shelf.scans {
					if at.date.Abs() < 24*time.Hour && database().Sub(q.Since) > most+time.Hour {
						t.Errorf("rows are read from %v before now on", database().Sub(q.Since))
					}
				}
			})
		})
	}
}

// TestARereadRowYieldsToTheStream: what the stream published after a row was
// read back is newer than that.
func TestARereadRowYieldsToTheStream(t *testing.T) {
	comparing(t, false, func(t *testing.T, c *compared) {
		tb := c.tables.list[0]
		tb.SetShape(shelfShape)
		c.shelf.put("m1", "sent", time.Now())
		s, _ := tb.SketchRead(c.shelf.rows[0])
		read := s
		read.Watch = []reconcile.Watched{{Kind: source.Text, Text: "read"}}
		tb.Ledger.Record(read, 8, 0)
		b := &batch{Batch: &reconcile.Batch{Seq: 7, Rows: []reconcile.Row{{Table: tb.Table, Relation: tb.Current(), Row: c.shelf.rows[0], Sketch: s}}}}
		out, err := c.publish.batch(b)
		if err != nil || len(out.changedAgain) != 1 || len(c.taken.keys) > 0 {
			t.Errorf("published %q, %d to be read again, %v", c.taken.keys, len(out.changedAgain), err)
		}
		b.Seq = 8
		if _, err := c.publish.batch(b); err != nil || len(c.taken.keys) != 1 {
			t.Errorf("what was read after it was not published: %q, %v", c.taken.keys, err)
		}
	})
}

// TestAStaleChangeIsDropped: the stream may deliver late what a row that was
// read back contains already.
func TestAStaleChangeIsDropped(t *testing.T) {
	comparing(t, false, func(t *testing.T, c *compared) {
		tb := c.tables.list[0]
		tb.SetShape(shelfShape)
		at := time.Now()
		c.shelf.put("m1", "read", at)
		s, _ := tb.SketchRead(c.shelf.rows[0])
		tb.Ledger.Record(s, 1, at.UnixMicro())
		text := func(v string) source.Value { return source.Value{Kind: source.Text, Data: []byte(v)} }
		change := func(at time.Time) *change {
			when := text(at.UTC().Format(shelfTime))
			return &change{table: tb, op: source.Update, rel: tb.Current(), row: source.Row{text("m1"), text("sent"), when, when}, at: at}
		}
		if _, ok := c.publish.admit(change(at.Add(-time.Millisecond))); ok {
			t.Error("a change from before the row was read is published")
		}
		if _, ok := c.publish.admit(change(at)); !ok {
			t.Error("a change from after the row was read is dropped")
		}
	})
}

// TestWhatWasReadBackIsNotRepeated: a row that was read back may still come by the stream,
// whose commit times tell nothing while nothing has come: it counts as one change, once.
// What it differs in from the row that was published, or tells beside it, is not lost.
func TestWhatWasReadBackIsNotRepeated(t *testing.T) {
	text := func(v string) source.Value { return source.Value{Kind: source.Text, Data: []byte(v)} }
	at := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	row := func(status, workspace string) source.Row {
		when := text(at.Format(shelfTime))
		return source.Row{text("w/m1"), text(status), when, when, text(workspace)}
	}
	unchanged := row("read", "w")
	unchanged[4] = source.Value{Kind: source.Unchanged}
	for name, c := range map[string]struct {
		op       source.Op
		old, row source.Row
		repeated bool
	}{
		"an insert":                       {source.Insert, nil, row("read", "w"), false},
		"an update":                       {source.Update, nil, row("read", "w"), false},
		"an update with the row before":   {source.Update, row("sent", "w"), row("read", "w"), false},
		"an older state":                  {source.Update, row("sent", "w"), row("delivered", "w"), true},
		"another value that is not asked": {source.Update, row("read", "w"), row("read", "v"), true},
		"a row that moved":                {source.Update, row("sent", "v"), row("read", "w"), true},
		"a value that was not sent":       {source.Update, nil, unchanged, true},
		"another key":                     {source.Update, slices.Concat(source.Row{text("w/m0")}, row("sent", "w")[1:]), row("read", "w"), true},
		"a delete":                        {source.Delete, row("read", "w"), nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			comparing(t, false, func(t *testing.T, w *compared) {
				tb := w.tables.list[0]
				tb.SetShape(shelfShape)
				w.shelf.put("w/m1", "read", at)
				s, _ := tb.SketchRead(w.shelf.rows[0])
				if _, err := w.publish.batch(&batch{Batch: &reconcile.Batch{Rows: []reconcile.Row{{
					Table: tb.Table, Relation: tb.Current(), Row: w.shelf.rows[0], Sketch: s,
				}}}}); err != nil {
					t.Fatal(err)
				}
				stream := func() (published bool) {
					before := len(w.taken.keys)
					if err := w.publish.group([]*change{{table: tb, op: c.op, rel: tb.Current(), row: c.row, old: c.old, at: at}}); err != nil {
						t.Fatal(err)
					}
					return len(w.taken.keys) > before
				}
				if got := stream(); got != c.repeated {
					t.Errorf("published: %v, want %v", got, c.repeated)
				}
				if dropped := w.Stats().Dropped[dropStale]; (dropped == 1) == c.repeated {
					t.Errorf("%d counted as dropped", dropped)
				}
				if !stream() {
					t.Error("the same again, which is another change, was dropped")
				}
			})
		})
	}
}
