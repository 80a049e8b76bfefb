package repair_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chatbridge/source"
	"chatbridge/source/readback"
	"chatbridge/source/repair"
)

// shelf is a Reader over rows in memory, in the order of their times.
type shelf struct {
	rows   []readback.Row
	shape  readback.Shape
	behind bool // a standby that never has what was lost
	hangs  bool // no row is read whole
}

func (s *shelf) Published(context.Context, string, readback.Table) (*readback.Published, error) {
	return &readback.Published{}, nil
}
func (s *shelf) Reached(context.Context, uint64) (bool, error) { return !s.behind, nil }
func (s *shelf) Close() error                                  { return nil }
func (s *shelf) Describe(context.Context, readback.Table) (readback.Shape, error) {
	return s.shape, nil
}

func (s *shelf) Scan(_ context.Context, q readback.ScanRequest) (readback.Page, error) {
	var page readback.Page
	since := q.Since.UTC().Format(stamp)
	for _, row := range s.rows {
		at, ok := q.Table.Cursor(q.By, row)
		if ok && at[0] >= since && (q.After == nil || slices.Compare(at, q.After) > 0) && len(page.Rows) < q.Limit {
			page.Rows = append(page.Rows, row)
		}
	}
	return page, nil
}

func (s *shelf) Fetch(ctx context.Context, t readback.Table, keys [][]string) (found []readback.Row, err error) {
	if s.hangs {
		<-ctx.Done()
		return nil, &readback.Error{Err: ctx.Err()}
	}
	for _, row := range s.rows {
		if key, ok := t.KeyOf(row); ok && slices.ContainsFunc(keys, func(k []string) bool { return slices.Equal(k, key) }) {
			found = append(found, row)
		}
	}
	return found, nil
}

const stamp = "2006-01-02T15:04:05.000000+00:00"

func (s *shelf) put(id, status string, created time.Time) {
	text := func(v string) json.RawMessage { return json.RawMessage(fmt.Sprintf("%q", v)) }
	s.rows = append(s.rows, readback.Row{"id": text(id), "status": text(status), "created_at": text(created.UTC().Format(stamp))})
}

// seen is a Handler that keeps what it is given.
type seen struct {
	changes []string // op id status
	txs     []source.Tx
	gaps    []source.Gap
}

func (s *seen) Begin(tx source.Tx) error { s.txs = append(s.txs, tx); return nil }
func (s *seen) Commit(source.Tx) error   { return nil }
func (s *seen) Gap(g source.Gap) error   { s.gaps = append(s.gaps, g); return nil }
func (s *seen) Change(c *source.Change) error {
	s.changes = append(s.changes, c.Op.String()+" "+string(c.New[0].Data)+" "+string(c.New[1].Data))
	return nil
}

var relation = &source.Relation{Schema: "public", Name: "messages", Identity: source.IdentityDefault, Columns: []source.Column{
	{Name: "id", Type: "text", Key: true}, {Name: "status", Type: "text"}, {Name: "created_at", Type: "timestamptz"},
}}

// scene is a Repair between a source, which the test plays, and what it hands on.
type scene struct {
	source.Handler
	*repair.Repair
	t     *testing.T
	shelf *shelf
	seen  *seen
	start time.Time
	n     uint64
}

func newScene(t *testing.T, o repair.Options) *scene {
	t.Helper()
	s := &scene{t: t, shelf: &shelf{shape: readback.Shape{Columns: relation.Columns}}, seen: &seen{}, start: time.Now().UTC().Truncate(time.Microsecond), n: 1000}
	o.Reader = s.shelf
	o.Tables = []readback.Table{{Schema: "public", Name: "messages", Key: []string{"id"}}}
	var err error
	if s.Repair, err = repair.New(o); err != nil {
		t.Fatal(err)
	}
	s.Handler = s.Repair.Handler(t.Context(), s.seen)
	return s
}

func row(id, status string, created time.Time) source.Row {
	text := func(v string) source.Value { return source.Value{Kind: source.Text, Data: []byte(v)} }
	return source.Row{text(id), text(status), text(created.UTC().Format("2006-01-02 15:04:05.000000+00"))}
}

func (s *scene) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// stream has the source deliver a change, in a transaction of its own.
func (s *scene) stream(op source.Op, id, status string, created time.Time) {
	s.t.Helper()
	s.n += 100
	tx := source.Tx{Commit: s.n, Time: time.Now().UTC()}
	s.must(s.Begin(tx))
	s.must(s.Change(&source.Change{Op: op, Relation: relation, New: row(id, status, created)}))
	s.must(s.Commit(tx))
}

// lose has the source report a gap from the last transaction until now, and returns
// what was handed on for it.
func (s *scene) lose(since time.Time, reload bool) []string {
	s.t.Helper()
	before := len(s.seen.changes)
	g := source.Gap{Reason: "lost", Since: since, Until: time.Now().UTC(), After: s.n, Resume: s.n + 1000, Reload: reload}
	s.must(s.Gap(g))
	s.n += 1000
	return s.seen.changes[before:]
}

// told are the gaps but for the announcements.
func (s *scene) told() (out []source.Gap) {
	for _, g := range s.seen.gaps {
		if !g.ReadBack {
			out = append(out, g)
		}
	}
	return out
}

func (s *scene) want(got []string, want ...string) {
	s.t.Helper()
	if !slices.Equal(got, want) {
		s.t.Errorf("handed on %q, want %q", got, want)
	}
}

// TestWhatDiffersIsHandedOn: what was lost, and neither what was not, nor what another
// process published.
func TestWhatDiffersIsHandedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, repair.Options{Window: time.Hour})
		s.shelf.put("before", "sent", s.start.Add(-30*time.Minute))
		s.shelf.put("same", "sent", s.start)
		s.shelf.put("read", "read", s.start.Add(time.Second))
		s.stream(source.Insert, "same", "sent", s.start)
		s.stream(source.Insert, "read", "sent", s.start.Add(time.Second))
		time.Sleep(2 * time.Hour) // all of the window is remembered
		since := time.Now().UTC()
		s.stream(source.Insert, "last", "sent", since)
		s.shelf.put("last", "read", since)
		s.shelf.put("lost", "sent", since.Add(time.Second))
		s.shelf.put("touched", "read", since.Add(2*time.Second))
		time.Sleep(10 * time.Second)
		// What streams after the loss already: the row itself was lost.
		s.stream(source.Update, "touched", "read", since.Add(2*time.Second))
		s.want(s.lose(since, false), "update last read", "update lost sent", "insert lost sent", "update touched read", "insert touched read")
		if told := s.told(); len(told) > 0 || s.Stats().Healed != 1 || s.Stats().Rows != 3 {
			t.Errorf("told %v, %+v", told, s.Stats())
		}
		tx := s.seen.txs[len(s.seen.txs)-1]
		if tx.Commit <= s.seen.txs[len(s.seen.txs)-2].Commit || tx.Commit >= s.n || tx.Time.Before(since) {
			t.Errorf("the transaction %+v is not between what was before and %d", tx, s.n)
		}
		s.want(s.lose(since, false)) // all is known now
	})
}

// TestWhatTheTablesDoNotTell: a status of an older row, of which nothing is remembered.
func TestWhatTheTablesDoNotTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, repair.Options{})
		s.stream(source.Insert, "a", "sent", s.start)
		s.shelf.put("a", "sent", s.start)
		time.Sleep(time.Minute)
		s.want(s.lose(s.start, false))
		told := s.told()
		if len(told) != 1 || !strings.Contains(told[0].Reason, "time of update") || !told[0].Since.Equal(s.start) || s.Stats().Remaining != 1 {
			t.Errorf("told %+v, %+v", told, s.Stats())
		}
		// The same of another history: its clients are told to load everything again.
		s.lose(s.start, true)
		if n := len(s.told()); n != 1 {
			t.Errorf("told %d times", n)
		}
	})
}

// TestWhatAnotherPublishedIsNotKnown: another process has published rows meanwhile. What
// became of those is told as what is not known, and not taken for unchanged; also where what
// was lost is found before anything is read, as when the slot is missing at a takeover.
func TestWhatAnotherPublishedIsNotKnown(t *testing.T) {
	for _, read := range []bool{true, false} {
		anotherPublished(t, read)
	}
}

func anotherPublished(t *testing.T, read bool) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, repair.Options{Window: time.Hour})
		s.stream(source.Insert, "own", "sent", s.start)
		time.Sleep(2 * time.Hour)
		s.shelf.put("other's", "read", time.Now()) // as sent, and lost in the gap that it was read
		time.Sleep(30 * time.Minute)
		s.TakeOver()
		since := time.Now().UTC()
		if read {
			s.stream(source.Insert, "last", "sent", since)
			s.shelf.put("last", "sent", since)
		}
		time.Sleep(time.Second)
		s.want(s.lose(since, false))
		if told := s.told(); len(told) != 1 || !strings.Contains(told[0].Reason, "of which no older ones are remembered") {
			t.Errorf("read before it %v: told %+v", read, told)
		}
	})
}

// TestTransactionCutShort: what was read of it counts as lost.
func TestTransactionCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, repair.Options{})
		s.stream(source.Insert, "a", "sent", s.start)
		s.must(s.Begin(source.Tx{Commit: s.n + 10, Time: time.Now()}))
		s.must(s.Change(&source.Change{Op: source.Insert, Relation: relation, New: row("b", "sent", s.start)}))
		s.shelf.put("a", "sent", s.start)
		s.shelf.put("b", "sent", s.start)
		s.n += 10
		s.want(s.lose(s.start, false), "update b sent", "insert b sent")
	})
}

// TestTooMuchIsLost: the newest rows are handed on, the rest is told with its bounds.
func TestTooMuchIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, repair.Options{Rows: 10})
		s.stream(source.Insert, "a", "sent", s.start)
		for i := range 2000 {
			s.shelf.put(fmt.Sprintf("m%04d", i), "sent", s.start.Add(time.Duration(i+1)*time.Millisecond))
		}
		time.Sleep(time.Minute)
		got := s.lose(s.start, false)
		if len(got) != 20 || got[0] != "update m1990 sent" || got[19] != "insert m1999 sent" {
			t.Errorf("handed on %q", got)
		}
		told := s.told()
		if len(told) != 1 || !strings.Contains(told[0].Reason, "more than 10 rows") {
			t.Errorf("told %+v", told)
		}
	})
}

// TestADatabaseThatDoesNotAnswer holds the source up for a bounded time; then the gap is
// told, of what was not read.
func TestADatabaseThatDoesNotAnswer(t *testing.T) {
	for name, break_ := range map[string]func(*shelf){
		"a standby that is behind": func(s *shelf) { s.behind = true },
		"rows are not read":        func(s *shelf) { s.hangs = true },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, repair.Options{Time: 20 * time.Second})
				s.stream(source.Insert, "a", "sent", s.start)
				s.shelf.put("lost", "sent", s.start.Add(time.Second))
				time.Sleep(time.Minute)
				break_(s.shelf)
				began := time.Now()
				s.want(s.lose(s.start, false))
				if took := time.Since(began); took > 21*time.Second {
					t.Errorf("the source was held up for %s", took)
				}
				if told := s.told(); len(told) != 1 || told[0].Until.Before(began.Add(-time.Second)) {
					t.Errorf("told %+v", told)
				}
			})
		})
	}
}

// TestFewPlaces: there are fewer places than batches; positions rise all the same.
func TestFewPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, repair.Options{})
		s.stream(source.Insert, "a", "sent", s.start)
		for i := range 500 {
			s.shelf.put(fmt.Sprintf("m%04d", i), "sent", s.start.Add(time.Duration(i+1)*time.Millisecond))
		}
		time.Sleep(time.Minute)
		before := len(s.seen.txs)
		s.must(s.Gap(source.Gap{Reason: "lost", Since: s.start, Until: time.Now().UTC(), After: s.n, Resume: s.n + 4}))
		last := s.n
		for _, tx := range s.seen.txs[before:] {
			if tx.Commit <= last || tx.Commit >= s.n+4 {
				t.Errorf("%d follows %d, of places before %d", tx.Commit, last, s.n+4)
			}
			last = tx.Commit
		}
		if n := len(s.seen.changes); n != 1+2*500 {
			t.Errorf("%d changes", n)
		}
	})
}

// TestRememberingDoesNotAllocate, once the table of what is remembered has grown.
func TestRememberingDoesNotAllocate(t *testing.T) {
	s := newScene(t, repair.Options{MaxRows: 100})
	s.Handler = s.Repair.Handler(t.Context(), nothing{})
	next := churn(s)
	for range 1000 {
		next()
	}
	if n := testing.AllocsPerRun(1000, next); n > 0 {
		t.Errorf("%v allocations for each row", n)
	}
	if n := s.Stats().Remembered; n > 100 {
		t.Errorf("%d rows are remembered", n)
	}
}

// nothing is a Handler that does nothing.
type nothing struct{}

func (nothing) Begin(source.Tx) error       { return nil }
func (nothing) Change(*source.Change) error { return nil }
func (nothing) Commit(source.Tx) error      { return nil }
func (nothing) Gap(source.Gap) error        { return nil }

// churn returns a transaction with a row that was not there before.
func churn(s *scene) func() {
	c := &source.Change{Op: source.Insert, Relation: relation, New: row("c0000000-0000-4000-8000-000000000000", "delivered", s.start)}
	n, tx := 0, source.Tx{Time: s.start}
	return func() {
		n++
		tx.Commit++
		for i, k := 35, n; k > 0; i, k = i-1, k/10 {
			c.New[0].Data[i] = '0' + byte(k%10)
		}
		_ = s.Begin(tx)
		_ = s.Change(c)
		_ = s.Commit(tx)
	}
}

func BenchmarkRemember(b *testing.B) {
	r, err := repair.New(repair.Options{Reader: &shelf{}, Tables: []readback.Table{{Schema: "public", Name: "messages", Key: []string{"id"}}}})
	if err != nil {
		b.Fatal(err)
	}
	s := &scene{Handler: r.Handler(b.Context(), nothing{}), start: time.Now()}
	next := churn(s)
	b.ReportAllocs()
	for b.Loop() {
		next()
	}
}
