package repair

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"chatbridge/source"
	"chatbridge/source/readback"
	"chatbridge/source/reconcile"
)

// Reader reads the tables. readback.SQL is one.
type Reader interface {
	reconcile.Reader
	// Published returns what a publication has of a table, nil where it does not
	// have it.
	Published(ctx context.Context, publication string, t readback.Table) (*readback.Published, error)
	// Reached reports whether what is read has what was written up to a place of the
	// log.
	Reached(ctx context.Context, lsn uint64) (bool, error)
	// Close lets the connection go; the next question opens another.
	Close() error
}

// Options configures a Repair.
type Options struct {
	// Reader reads the tables, Publication names what of them is followed.
	Reader      Reader
	Publication string
	// Tables are those that are compared, each with its key and its Only columns.
	// Created, Updated and Watch may be empty, as those of package realtime.
	Tables []readback.Table
	// Times is, by table (schema.name), a column with the time of insert for where the
	// customary one is missing.
	Times map[string]string
	// Margin is how long before the last delivered transaction a row may have been
	// inserted or updated that is found: by how much the clocks of those who write
	// times differ from the database's, and how long a transaction takes. Default 2 min.
	Margin time.Duration
	// Window is the age up to which rows without a time of update are compared.
	// Default 24 h.
	Window time.Duration
	// MaxRows bounds the rows remembered of each table. Default 100,000 (8 MB).
	MaxRows int
	// Rows bounds the rows of one gap that are handed on: the newest. Default 20,000.
	Rows int
	// Time bounds one gap's reading: what is not read by then is reported. Default 30 s.
	Time time.Duration
	// Logger gets a line for each gap. Default: none.
	Logger *slog.Logger
}

func (o *Options) setDefaults() {
	for _, d := range []struct {
		at  *time.Duration
		def time.Duration
	}{{&o.Margin, 2 * time.Minute}, {&o.Window, 24 * time.Hour}, {&o.Time, 30 * time.Second}} {
		if *d.at <= 0 {
			*d.at = d.def
		}
	}
	for _, d := range []struct {
		at  *int
		def int
	}{{&o.MaxRows, 100_000}, {&o.Rows, 20_000}} {
		if *d.at <= 0 {
			*d.at = d.def
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// Stats is what a Repair did. The counts are since New.
type Stats struct {
	// Healed counts the gaps of which nothing remained, Remaining those of which
	// something did.
	Healed, Remaining uint64
	// Rows counts the rows that were read back and handed on.
	Rows uint64
	// Remembered is the number of rows that are remembered.
	Remembered int
	// Reading tells that a gap is being read back now.
	Reading bool
	// LastError is why a gap was last not read back in full, empty for never.
	LastError string
}

// Repair reads back what gaps lost. Handler may be called once at a time.
type Repair struct {
	opts   Options
	tables []*table

	healed, remaining, rows, requests, rowsRead atomic.Uint64
	reading                                     atomic.Bool
	takenOver                                   bool // the source's goroutine's

	mu        sync.Mutex
	lastError string
}

// New checks the options. It connects to nothing.
func New(o Options) (*Repair, error) {
	if o.Reader == nil || len(o.Tables) == 0 {
		return nil, errors.New("repair: a reader and a table are needed")
	}
	o.setDefaults()
	r := &Repair{opts: o}
	for _, t := range o.Tables {
		r.tables = append(r.tables, &table{conf: t, name: t.String(), digests: reconcile.NewDigests(o.MaxRows)})
	}
	return r, nil
}

// Handler returns a handler that passes on to next. ctx ends the reading of a gap.
func (r *Repair) Handler(ctx context.Context, next source.Handler) source.Handler {
	return &handler{r: r, ctx: ctx, next: next}
}

// TakeOver notes that another process has published rows since this one last did, or
// publishes them now: it is not known which rows before the next transaction, or before
// the end of a gap that is reported first, clients have. Repeating it changes nothing.
// Call it from the source's goroutine.
func (r *Repair) TakeOver() { r.takenOver = true }

// Stats returns a snapshot. Safe for concurrent use.
func (r *Repair) Stats() Stats {
	s := Stats{Healed: r.healed.Load(), Remaining: r.remaining.Load(), Rows: r.rows.Load(), Reading: r.reading.Load()}
	for _, t := range r.tables {
		s.Remembered += t.digests.Len()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s.LastError = r.lastError
	return s
}
