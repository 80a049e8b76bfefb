package lookup

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"chatbridge/internal/retry"
	"chatbridge/mapping"
	"chatbridge/mapping/engine"
)

// DefaultLimit is the longest that one question may take where the caller does
// not say: the stream stands still meanwhile.
const DefaultLimit = 500 * time.Millisecond

// After a failure nothing is asked for a while: minPause at first, twice as long
// after each failure in a row, maxPause at most, each within a quarter.
const (
	minPause = 250 * time.Millisecond
	maxPause = 10 * time.Second
)

// fetcher asks once, within ctx.
type fetcher interface {
	fetch(ctx context.Context, need *engine.Need, found func(engine.Found)) error
}

// ErrPaused is returned while nothing is asked because the last question
// failed a moment ago.
var ErrPaused = errors.New("lookups pause after a failure")

// Lookup is a engine.Lookup: SQL or PostgREST, within bounds.
type Lookup struct {
	fetcher fetcher
	tables  []mapping.Table
	limit   time.Duration
	warn    func(text string) // nil for nobody

	// asking has a token while somebody asks, who alone uses the fetcher; askedAt is when
	// the last one had ended, in nanoseconds since 1970.
	asking  chan struct{}
	askedAt atomic.Int64

	// Only the goroutine that calls Fetch uses these.
	pausedUntil time.Time
	pause       retry.Backoff

	fetches, failures, paused, rows, again, notUTF8 atomic.Uint64
	spent                                           atomic.Int64
	lastError                                       atomic.Pointer[failure]
}

type failure struct {
	err error
	at  time.Time
}

var _ engine.Lookup = (*Lookup)(nil)

func newLookup(f fetcher, spec *mapping.Spec, limit time.Duration) *Lookup {
	if limit <= 0 {
		limit = DefaultLimit
	}
	return &Lookup{fetcher: f, tables: spec.Tables(), limit: limit, asking: make(chan struct{}, 1), pause: retry.Backoff{Min: minPause, Max: maxPause}}
}

// Warn sets who is told, once, of columns that events go without because the role
// has no right to read them, with the remedy. Call it before the first Fetch, which
// calls warn.
func (l *Lookup) Warn(warn func(text string)) { l.warn = warn }

// Fetch asks within the time limit. The error is context.DeadlineExceeded,
// wrapped, when the limit passed, and ErrPaused when it was too early to ask
// again.
func (l *Lookup) Fetch(need *engine.Need, found func(engine.Found)) error {
	start := time.Now()
	if start.Before(l.pausedUntil) {
		l.paused.Add(1)
		return ErrPaused
	}
	// The Mapper, which is pure, has no context to hand on; the limit bounds
	// this one, and so how long a shutdown may have to wait.
	ctx, cancel := context.WithTimeout(context.Background(), l.limit)
	defer cancel()
	l.fetches.Add(1)
	err := l.begin(ctx)
	if err == nil {
		err = l.fetchVisible(ctx, need, found)
		l.end()
	}
	l.spent.Add(int64(time.Since(start)))
	if err == nil {
		l.pausedUntil = time.Time{}
		l.pause.Reset()
		return nil
	}
	// A driver's, or the server's, own words for a limit that passed: the server's
	// statement_timeout is the same, and may be a moment earlier.
	var refused *pgconn.PgError
	ended := errors.As(err, &refused) && refused.Code == queryCanceled
	if (ctx.Err() != nil || ended) && !errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
	}
	l.failures.Add(1)
	l.pausedUntil = time.Now().Add(l.pause.Next())
	l.lastError.Store(&failure{err, time.Now()})
	return err
}

// queryCanceled is the SQLSTATE of a statement that the server ended.
const queryCanceled = "57014"

// Stats is a snapshot of a Lookup's counters.
type Stats struct {
	// Fetches were asked, Failures of them failed, Paused were not asked
	// because one had just failed. Rows is the number of rows found. Again is how
	// often something was asked for again because it was not visible yet.
	// NotUTF8 counts values that were found with bytes that are not UTF-8, which
	// clients see as U+FFFD.
	Fetches, Failures, Paused, Rows, Again, NotUTF8 uint64
	// Spent is the time that the stream stood still for lookups.
	Spent time.Duration
	// LastError is the latest failure, nil when there was none, and when.
	LastError   error
	LastErrorAt time.Time
}

// Stats returns a snapshot. Any goroutine may call it.
func (l *Lookup) Stats() Stats {
	s := Stats{
		Fetches: l.fetches.Load(), Failures: l.failures.Load(), Paused: l.paused.Load(), Again: l.again.Load(),
		Rows: l.rows.Load(), NotUTF8: l.notUTF8.Load(), Spent: time.Duration(l.spent.Load()),
	}
	if f := l.lastError.Load(); f != nil {
		s.LastError, s.LastErrorAt = f.err, f.at
	}
	return s
}
