package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"chatbridge/source"
	"chatbridge/source/readback"
)

// Reader reads rows back from the database. Package readback has two.
type Reader interface {
	// Describe returns a table's columns and key.
	Describe(ctx context.Context, t readback.Table) (readback.Shape, error)
	// Scan returns one page of the sketches of rows inserted or updated since
	// a time, in key order.
	Scan(ctx context.Context, q readback.ScanRequest) (readback.Page, error)
	// Fetch returns whole rows by key; keys that are gone are left out.
	Fetch(ctx context.Context, t readback.Table, keys [][]string) ([]readback.Row, error)
}

// Clock relates the database's clock to ours.
type Clock interface {
	// Elapsed is the time since some moment, by our own monotonic clock.
	Elapsed() time.Duration
	// Now is the database's time, to about a second.
	Now() time.Time
	// Read takes the server's time as an answer gave it, zero where it did not.
	Read(server time.Time)
}

// Options configures a Comparison. All of it is needed.
type Options struct {
	Reader Reader
	Tables []*Table
	Clock  Clock
	Logger *slog.Logger
	// PageSize is how many sketches are asked for at once, at most.
	PageSize int
	// RetryUnreadable is when a row that cannot be read is tried again.
	RetryUnreadable time.Duration
	// Requests and RowsRead count what was read.
	Requests, RowsRead *atomic.Uint64
	// Mark returns what a Batch that is read from now on has as Seq and AsOf.
	Mark func() (seq uint64, asOf int64)
	// Publish publishes the rows of a batch that still differ.
	Publish func(ctx context.Context, b *Batch) error
	// Gap reports a row that is left out because it cannot be read.
	Gap func(ctx context.Context, g source.Gap) error
	// Again is given rows that must be read whole and were not.
	Again func([]Candidate)
}

// Candidate is a row that differed when it was scanned.
type Candidate struct {
	Table  *Table
	Sketch Sketch
	// Seq is the publication that it differs from.
	Seq uint64
	// Force has the row read whole and published even if it looks the same.
	Force bool
}

// Batch is rows that were read back, in the order of their times, to be compared
// once more and published.
type Batch struct {
	Rows []Row
	// AsOf and Seq are from before the rows were read: see Entry.
	AsOf int64
	Seq  uint64
}

// Row is a row that was read back whole.
type Row struct {
	Table    *Table
	Relation *source.Relation
	Row      readback.Row
	Sketch   Sketch
	// Force publishes even what looks the same: the change itself said that
	// something is different.
	Force bool
}

// Comparison reads rows for comparing: sketches first, and whole those that differ.
// It belongs to one goroutine.
type Comparison struct {
	o       Options
	maxPage int // the longest page ever received: see Scan
	page    int // how many sketches are asked for at once, PageSize at most
	batch   int // how many whole rows are, fetchSize at most
	// unreadable has the rows that could not be read, by key.
	unreadable map[*Table]map[string]unreadable
}

// New returns a Comparison that has not asked anything.
func New(o Options) *Comparison {
	return &Comparison{o: o, page: o.PageSize, batch: fetchStart, unreadable: map[*Table]map[string]unreadable{}}
}

// Describe learns the table's columns and the server's time from the database.
// reconcilable is false where the table has no column to find changes by.
func (c *Comparison) Describe(ctx context.Context, t *Table) (shape readback.Shape, reconcilable bool, err error) {
	c.o.Requests.Add(1)
	shape, err = c.o.Reader.Describe(ctx, t.Config())
	if err != nil {
		return shape, false, err
	}
	c.o.Clock.Read(shape.Time)
	if shape.Filtered {
		c.o.Logger.Warn("row level security applies to the role that reads rows back: those that no policy shows it stay missing",
			"table", t.Name, "remedy", "give the role BYPASSRLS, or a policy that shows it every row")
	}
	return shape, t.SetShape(shape), nil
}

// relationFor returns the relation that describes the rows, asking the
// database again where the table has changed its shape.
func (c *Comparison) relationFor(ctx context.Context, t *Table, rows []readback.Row) (*source.Relation, error) {
	rel := t.Current()
	if len(rows) == 0 || matches(rel, rows[0]) {
		return rel, nil
	}
	c.o.Requests.Add(1)
	shape, err := c.o.Reader.Describe(ctx, t.Config())
	if err != nil {
		return nil, err
	}
	t.SetShape(shape)
	if rel = t.Current(); rel == nil {
		return nil, &readback.Error{Op: "describe " + t.Name, Err: errors.New("the table has no columns")}
	}
	return rel, nil
}
