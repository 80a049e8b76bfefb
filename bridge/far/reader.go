package far

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"chatbridge/bridge/hub"
	"chatbridge/internal/retry"
	"chatbridge/mapping"
	"chatbridge/mapping/lookup"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Options bounds a Reader.
type Options struct {
	// Rows bounds the messages, and the conversations, of one reading: the newest are
	// sent.
	Rows int
	// Parallel bounds the readings that ask the database at a time. The pool needs a
	// connection for each, and one more.
	Parallel int
	// Timeout is how long the database may take for one part of a reading, Wait how
	// long a reading may wait for its turn.
	Timeout, Wait time.Duration
	// EventBytes bounds an event, as engine.Options does.
	EventBytes int
	// ChatEngineIDs: messages go under the ids that ChatEngine uses, to all clients.
	ChatEngineIDs bool
	// Logger may be nil.
	Logger *slog.Logger
}

// DefaultOptions reads 5,000 rows, two readings at a time, 5 s for each part, 30 s for
// a turn.
func DefaultOptions() Options {
	return Options{Rows: 5000, Parallel: 2, Timeout: 5 * time.Second, Wait: 30 * time.Second}
}

// Reader reads what clients missed from the tables. Any goroutine may use it.
type Reader struct {
	opts     Options
	spec     *mapping.Spec
	gate     *gate
	workers  chan *worker
	shared   shared
	counters counters

	// mu guards what follows: the pause after a failure, why nothing is ever read,
	// and what is not shown.
	mu          sync.Mutex
	off         error
	hides       string // what row level security hides, as it was logged last
	pause       retry.Backoff
	pausedUntil time.Time
}

var _ hub.Tables = (*Reader)(nil)

// After a failure nothing is read for a while: minPause at first, twice as long after
// each failure in a row, maxPause at most.
const (
	minPause = 250 * time.Millisecond
	maxPause = 10 * time.Second
)

// Errors of Read that are none of the database's. There is also hub.ErrTablesOff.
var (
	ErrPaused = errors.New("reading the tables pauses after a failure")
	ErrBusy   = errors.New("the tables are being read for others for too long")
)

// New returns a Reader that reads over pool, which stays its caller's to close. Its
// role needs what lookup.NewSQL's does.
func New(pool *pgxpool.Pool, spec *mapping.Spec, opts Options) *Reader {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Reader{
		opts: opts, spec: spec, gate: newGate(opts.Parallel),
		workers: make(chan *worker, opts.Parallel), shared: shared{parts: make(map[string]sharedPart)}, pause: retry.Backoff{Min: minPause, Max: maxPause},
	}
	for range opts.Parallel {
		r.workers <- &worker{past: lookup.NewPast(pool, spec), find: lookup.NewSQL(pool, spec, opts.Timeout)}
	}
	return r
}

// Run asks the database once, as soon as it answers, whether the tables have what rows are
// read by. Where they do not, one line says so, and Read refuses from then on. It returns
// nil, and must have been called for that line alone.
func (r *Reader) Run(ctx context.Context) error {
	again := retry.Backoff{Min: minPause, Max: maxPause}
	for {
		asking, cancel := context.WithTimeout(ctx, r.opts.Timeout)
		w := <-r.workers
		err := w.past.Check(asking)
		r.workers <- w
		cancel()
		switch {
		case errors.Is(err, lookup.ErrNoTime), errors.Is(err, lookup.ErrDerived):
			r.turnOff(err)
			return nil
		case err == nil || ctx.Err() != nil:
			return nil
		}
		if retry.Sleep(ctx, again.Next()) != nil {
			return nil
		}
	}
}

// turnOff notes, and logs once, that nothing can ever be read.
func (r *Reader) turnOff(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.off != nil {
		return
	}
	r.off = err
	r.opts.Logger.Warn("clients that were away for longer than the replay log holds are told of a gap, and not caught up from the tables", "reason", err)
}

// refuses returns why nothing is ever read, nil where it is.
func (r *Reader) refuses() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.off == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", hub.ErrTablesOff, r.off)
}

// Read implements hub.Tables. The error is ErrPaused, ErrBusy, or the database's; what
// send returns is passed on.
func (r *Reader) Read(ctx context.Context, ask *hub.FarAsk, send func([]hub.FarPacket) error) (rest []hub.FarRest, err error) {
	if err := r.refuses(); err != nil {
		return nil, err
	}
	r.counters.readings.Add(1)
	var parts []part
	hides := false
	err = r.turn(ctx, ask.Workspace, false, func(ctx context.Context, w *worker) (err error) {
		if parts, rest, err = r.plan(ctx, w.past, ask); err == nil {
			hides, err = r.hidden(ctx, w.past)
		}
		return err
	})
	if errors.Is(err, lookup.ErrNoTime) || errors.Is(err, lookup.ErrDerived) {
		r.turnOff(err)
		return nil, r.refuses()
	}
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		r.counters.truncated.Add(1)
	}
	if hides {
		rest = append(rest, all(ask))
	}
	for _, p := range parts {
		out, err := r.part(ctx, ask, p)
		if err != nil {
			return nil, err
		}
		if out.hides && !hides {
			hides, rest = true, append(rest, all(ask))
		}
		for _, conversation := range out.leftOut {
			rest = append(rest, hub.FarRest{Conversation: conversation, Since: earliest(ask, conversation), Until: ask.Until})
		}
		if len(rest) > 0 && ask.LeftOut != nil {
			if err := ask.LeftOut(rest); err != nil {
				return nil, err
			}
			rest = nil
		}
		if err := send(out.packets); err != nil {
			return nil, err
		}
	}
	return rest, nil
}

// part returns what a part becomes: as it was read for another client, or now.
func (r *Reader) part(ctx context.Context, ask *hub.FarAsk, p part) (out rendered, err error) {
	key := sharedKey(ask.Workspace, p)
	if out, ok := r.shared.get(key, ask.Until); ok {
		return out, nil
	}
	err = r.turn(ctx, ask.Workspace, true, func(ctx context.Context, w *worker) (err error) {
		var ok bool
		if out, ok = r.shared.get(key, ask.Until); ok {
			return nil
		}
		began := time.Now()
		if out, err = r.packets(ctx, w, ask.Workspace, p); err == nil && out.rows < len(p.keys) {
			out.hides, err = r.hidden(ctx, w.past) // or they were deleted
		}
		if err == nil {
			r.shared.put(key, out, began)
			r.counters.rows.Add(uint64(out.rows))
		}
		return err
	})
	return out, err
}

// hidden tells whether row level security may hide rows that were to be read, and logs it
// when it has begun.
func (r *Reader) hidden(ctx context.Context, p *lookup.Past) (bool, error) {
	what, remedy, err := p.Hidden(ctx)
	if err != nil {
		return false, err
	}
	r.mu.Lock()
	log := what != "" && what != r.hides
	r.hides = what
	r.mu.Unlock()
	if log {
		r.opts.Logger.Warn("clients that were away for longer than the replay log holds are told of a gap: "+what, "remedy", remedy)
	}
	return what != "", nil
}

// all is all that is asked for.
func all(ask *hub.FarAsk) hub.FarRest {
	rest := hub.FarRest{Since: earliest(ask, ""), Until: ask.Until}
	for conversation := range ask.Of {
		if since := earliest(ask, conversation); since.Before(rest.Since) {
			rest.Since = since
		}
	}
	return rest
}

// earliest is since when something of the conversation is asked for.
func earliest(ask *hub.FarAsk, conversation string) time.Time {
	since := ask.Until
	for _, t := range []time.Time{ask.Conversations, ask.Messages, ask.Of[conversation]} {
		if !t.IsZero() && t.Before(since) {
			since = t
		}
	}
	return since
}

// turn waits for the workspace's turn, and lets f ask the database. A reading that goes
// on comes before those of its workspace that have yet to begin.
func (r *Reader) turn(ctx context.Context, workspace string, goesOn bool, f func(context.Context, *worker) error) error {
	if r.paused() {
		r.counters.refused.Add(1)
		return ErrPaused
	}
	began := time.Now()
	waiting, cancel := context.WithTimeoutCause(ctx, r.opts.Wait, ErrBusy)
	err := r.gate.enter(waiting, workspace, goesOn)
	cancel()
	r.counters.waited.Add(int64(time.Since(began)))
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.counters.refused.Add(1)
		return ErrBusy
	}
	defer r.gate.leave(workspace)
	if r.paused() { // since it began to wait
		r.counters.refused.Add(1)
		return ErrPaused
	}
	w := <-r.workers
	defer func() { r.workers <- w }()
	asking, cancel := context.WithTimeout(ctx, r.opts.Timeout)
	defer cancel()
	began = time.Now()
	err = f(asking, w)
	r.counters.spent.Add(int64(time.Since(began)))
	if ctx.Err() != nil {
		return ctx.Err() // the client has gone
	}
	if errors.Is(err, lookup.ErrNoTime) || errors.Is(err, lookup.ErrDerived) {
		return err // it is the mapping's fault
	}
	r.note(err)
	if err != nil {
		r.counters.failures.Add(1)
		return fmt.Errorf("read the tables: %w", err)
	}
	return nil
}

func (r *Reader) paused() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Before(r.pausedUntil)
}

// note begins or ends the pause.
func (r *Reader) note(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.pausedUntil = time.Time{}
		r.pause.Reset()
		return
	}
	r.pausedUntil = time.Now().Add(r.pause.Next())
}
