package lookup

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"chatbridge/mapping"
)

// Fetcher asks once, within ctx. SQL and PostgREST are Fetchers.
type Fetcher interface {
	Fetch(ctx context.Context, need *mapping.Need, found func(mapping.Found)) error
}

// Options bounds a Lookup. The zero value of each field means its default.
type Options struct {
	// Limit is the longest that one Fetch may take; default 500 ms. The stream
	// stands still meanwhile.
	Limit time.Duration
	// Rest is how long nothing is asked after a failure; default 250 ms. It
	// doubles with each failure in a row up to MaxRest, default 10 s.
	Rest, MaxRest time.Duration
}

// DefaultOptions returns the defaults.
func DefaultOptions() Options {
	return Options{Limit: 500 * time.Millisecond, Rest: 250 * time.Millisecond, MaxRest: 10 * time.Second}
}

// ErrResting is returned while nothing is asked because the last question
// failed a moment ago.
var ErrResting = errors.New("lookups rest after a failure")

// Lookup is a mapping.Lookup: a Fetcher within bounds.
type Lookup struct {
	//nolint:containedctx // the Mapper has no context to pass: this is the daemon's
	ctx     context.Context
	fetcher Fetcher
	opts    Options

	// Only the goroutine that calls Fetch uses these.
	restUntil time.Time
	rest      time.Duration

	fetches, failures, rested, rows atomic.Uint64
	spent                           atomic.Int64
	lastError                       atomic.Pointer[failure]
}

type failure struct {
	err error
	at  time.Time
}

var _ mapping.Lookup = (*Lookup)(nil)

// New returns a Lookup over fetcher. When ctx ends, every Fetch fails at once.
func New(ctx context.Context, fetcher Fetcher, opts Options) *Lookup {
	d := DefaultOptions()
	if opts.Limit <= 0 {
		opts.Limit = d.Limit
	}
	if opts.Rest <= 0 {
		opts.Rest = d.Rest
	}
	if opts.MaxRest <= 0 {
		opts.MaxRest = d.MaxRest
	}
	return &Lookup{ctx: ctx, fetcher: fetcher, opts: opts}
}

// Fetch asks within the time limit. The error is context.DeadlineExceeded,
// wrapped, when the limit passed, and ErrResting when it was too early to ask
// again.
func (l *Lookup) Fetch(need *mapping.Need, found func(mapping.Found)) error {
	start := time.Now()
	if start.Before(l.restUntil) {
		l.rested.Add(1)
		return ErrResting
	}
	ctx, cancel := context.WithTimeout(l.ctx, l.opts.Limit)
	defer cancel()
	l.fetches.Add(1)
	err := l.fetcher.Fetch(ctx, need, func(f mapping.Found) {
		l.rows.Add(1)
		found(f)
	})
	l.spent.Add(int64(time.Since(start)))
	if err == nil {
		l.rest, l.restUntil = 0, time.Time{}
		return nil
	}
	if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		// A driver's own words for a limit that passed.
		err = fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	l.failures.Add(1)
	l.rest = min(max(2*l.rest, l.opts.Rest), l.opts.MaxRest)
	l.restUntil = time.Now().Add(l.rest)
	l.lastError.Store(&failure{err, time.Now()})
	return err
}

// Stats is a snapshot of a Lookup's counters.
type Stats struct {
	// Fetches were asked, Failures of them failed, Rested were not asked
	// because one had just failed. Rows is the number of rows found.
	Fetches, Failures, Rested, Rows uint64
	// Spent is the time that the stream stood still for lookups.
	Spent time.Duration
	// LastError is the latest failure, nil when there was none, and when.
	LastError   error
	LastErrorAt time.Time
}

// Stats returns a snapshot. Any goroutine may call it.
func (l *Lookup) Stats() Stats {
	s := Stats{
		Fetches: l.fetches.Load(), Failures: l.failures.Load(), Rested: l.rested.Load(),
		Rows: l.rows.Load(), Spent: time.Duration(l.spent.Load()),
	}
	if f := l.lastError.Load(); f != nil {
		s.LastError, s.LastErrorAt = f.err, f.at
	}
	return s
}
