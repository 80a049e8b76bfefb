package far

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
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
	// long a reading waits while no other of its workspace has a turn.
	Timeout, Wait time.Duration
	// EventBytes bounds an event, as engine.Options does.
	EventBytes int
	// ChatEngineIDs: messages go under the ids that ChatEngine uses, to all clients.
	ChatEngineIDs bool
	// ClientID returns the id that a client gave a message when it sent it, by the row's
	// key, where its row may not tell any more; "" for none. It is called from many
	// goroutines. Nil: none is known.
	ClientID func(workspace, key string) string
	// Logger may be nil.
	Logger *slog.Logger
}

// DefaultOptions reads 5,000 rows, two readings at a time, 5 s for each part, 30 s
// without a turn.
func DefaultOptions() Options {
	return Options{Rows: 5000, Parallel: 2, Timeout: 5 * time.Second, Wait: 30 * time.Second}
}

// Reader reads what clients missed from the tables. Any goroutine may use it.
type Reader struct {
	opts     Options
	spec     *mapping.Spec
	gate     *gate
	paged    bool
	workers  chan *worker
	rows     *shared[rendered]
	lists    *shared[*list]
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
	r := newReader(spec, opts)
	r.paged = true
	for range opts.Parallel {
		p := lookup.NewPast(pool, spec)
		r.workers <- &worker{past: p, pages: p, find: lookup.NewSQL(pool, spec, opts.Timeout)}
	}
	return r
}

// NewPostgREST returns a Reader that reads over a Supabase project's REST interface; the
// parameters are those of lookup.NewPostgREST. It has no pages: Messages and
// Conversations return errors.ErrUnsupported.
func NewPostgREST(address string, key func() string, client *http.Client, spec *mapping.Spec, opts Options) (*Reader, error) {
	r := newReader(spec, opts)
	for range opts.Parallel {
		p, err := lookup.NewRESTPast(address, key, client, spec)
		if err != nil {
			return nil, err
		}
		find, err := lookup.NewPostgREST(address, key, client, spec, opts.Timeout)
		if err != nil {
			return nil, err
		}
		r.workers <- &worker{past: p, find: find}
	}
	return r, nil
}

func newReader(spec *mapping.Spec, opts Options) *Reader {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Reader{
		opts: opts, spec: spec, gate: newGate(opts.Parallel),
		workers: make(chan *worker, opts.Parallel), rows: newShared[rendered](sharedBytes), lists: newShared[*list](listsBytes),
		pause: retry.Backoff{Min: minPause, Max: maxPause},
	}
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
		case never(err):
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

// never tells an error that remains as long as the tables and the mapping are as they are.
func never(err error) bool {
	return errors.Is(err, lookup.ErrNoTime) || errors.Is(err, lookup.ErrDerived) || errors.Is(err, lookup.ErrNotOverPostgREST)
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
	p := &planning{r: r, ask: ask, own: make(map[string]*list)}
	parts, rest, err := p.plan(ctx)
	if never(err) {
		r.turnOff(err)
		return nil, r.refuses()
	}
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		r.counters.truncated.Add(1)
	}
	hides := p.hides
	if hides {
		rest = append(rest, all(ask))
	}
	for len(parts) > 0 {
		p := parts[0]
		parts = parts[1:]
		out, err := r.part(ctx, ask, p)
		if errors.Is(err, lookup.ErrTooLarge) {
			if len(p.keys) > 1 {
				parts = append(halves(p), parts...)
				continue
			}
			// Which conversation's it is, is not known.
			rest, err = append(rest, all(ask)), nil
		}
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

// halves cuts a part whose rows are too large to be read at once.
func halves(p part) []part {
	half := len(p.keys) / 2
	return []part{{p.kind, p.keys[:half]}, {p.kind, p.keys[half:]}}
}

// part returns what a part becomes: of rows that were read for other clients, and of those
// that are read now.
func (r *Reader) part(ctx context.Context, ask *hub.FarAsk, p part) (out rendered, err error) {
	have := make(map[string]rendered, len(p.keys))
	missing := part{kind: p.kind}
	lacks := func() bool {
		missing.keys = nil
		for _, key := range p.keys {
			row, ok := r.rows.get(sharedKey(ask.Workspace, '0'+byte(p.kind), key), later(ask.Until, ask.Fresh))
			if ok {
				have[key] = row
			} else if _, ok := have[key]; !ok {
				missing.keys = append(missing.keys, key)
			}
		}
		return len(missing.keys) > 0
	}
	if lacks() {
		err = r.turn(ctx, ask.Workspace, true, func(ctx context.Context, w *worker) error {
			if !lacks() {
				return nil
			}
			began := time.Now()
			rows, n, apart, err := r.packets(ctx, w, ask.Workspace, missing)
			if err != nil {
				return err
			}
			r.counters.rows.Add(uint64(n))
			hides := false
			if n < len(missing.keys) { // or they were deleted
				if hides, err = r.hidden(ctx, w.past); err != nil {
					return err
				}
				out.hides = hides
			}
			for _, key := range missing.keys {
				// Of one that is gone there is nothing, which is known too.
				if have[key] = rows[key]; apart && !hides {
					r.rows.put(sharedKey(ask.Workspace, '0'+byte(p.kind), key), rows[key], rows[key].size(), began)
				}
			}
			return nil
		})
	}
	for _, key := range p.keys {
		out.packets = append(out.packets, have[key].packets...)
		out.leftOut = append(out.leftOut, have[key].leftOut...)
	}
	slices.Sort(out.leftOut)
	out.leftOut = slices.Compact(out.leftOut)
	return out, err
}

// hidden tells whether row level security may hide rows that were to be read, and logs it
// when it has begun.
func (r *Reader) hidden(ctx context.Context, p past) (bool, error) {
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
	return hub.FarRest{Since: earliest(ask, ""), Until: ask.Until}
}

// earliest is since when something of the conversation, or of any if "", is asked for.
func earliest(ask *hub.FarAsk, conversation string) time.Time {
	since := ask.Until
	times := []time.Time{ask.Conversations, ask.Messages, ask.Of[conversation]}
	if conversation == "" { // it may be any
		times = slices.AppendSeq(times, maps.Values(ask.Of))
	}
	for _, t := range times {
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
	err := r.gate.enter(ctx, workspace, goesOn, r.opts.Wait)
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
	if never(err) {
		return err // it is the mapping's fault
	}
	if errors.Is(err, lookup.ErrTooLarge) {
		return err // the database answers
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
