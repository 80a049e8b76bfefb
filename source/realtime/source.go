package realtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"sync/atomic"

	"chatbridge/source"
	"chatbridge/source/readback"
	"chatbridge/source/reconcile"
)

// Reader reads rows back from the database. Package readback has two.
type Reader = reconcile.Reader

// Source follows tables through Supabase Realtime.
type Source struct {
	opts   Options
	url    *url.URL
	log    *slog.Logger
	tables *tables
	clock  *clock
	queue  *queue
	hold   *hold
	stats  *counters
	rec    *reconciler
	kept   *reconcile.Kept // nil without Options.Ledger
	// closeReader closes the reader that New made.
	closeReader func() error

	// seq numbers publications; the publisher counts, the reconciler reads.
	seq atomic.Uint64
	// waiting is how many changes the publisher keeps for their conversations.
	waiting  atomic.Int64
	batches  chan *batch
	commands chan command
	// keyReplaced has a token after KeyReplaced.
	keyReplaced chan struct{}
	running     atomic.Bool
}

// command asks the session to do something about a table's channel.
type command struct {
	table *table
	// redial asks for a new connection, otherwise the channel is joined again.
	redial bool
	reason string
}

// New checks the options and returns a Source that has not started anything.
func New(o Options) (*Source, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o.setDefaults()
	u, err := socketURL(o.URL)
	if err != nil {
		return nil, err
	}
	s := &Source{
		opts: o, url: u, log: o.Logger, clock: newClock(),
		queue: newQueue(o.QueueChanges, o.QueueBytes),
		stats: newCounters(), batches: make(chan *batch), commands: make(chan command, 16),
		keyReplaced: make(chan struct{}, 1),
		tables:      &tables{byName: map[string]*table{}},
		closeReader: func() error { return nil },
	}
	s.clock.exact = o.Reader == nil && o.DatabaseURL != ""
	s.hold = newHold(s.clock, s.queue)
	for _, t := range o.Tables {
		tb := newTable(t, o.MaxRows)
		s.tables.list = append(s.tables.list, tb)
		s.tables.byName[tb.Name] = tb
	}
	reader, err := s.makeReader()
	if err != nil {
		return nil, err
	}
	s.rec = newReconciler(s, reader)
	if o.Ledger != nil {
		s.kept = reconcile.Keep(o.Ledger, s.tables.compared(), o.Backfill, s.clock.Earliest)
	}
	return s, nil
}

func (s *Source) makeReader() (Reader, error) {
	switch {
	case s.opts.Reader != nil:
		return s.opts.Reader, nil
	case s.opts.DatabaseURL != "":
		r, err := readback.NewSQL(s.opts.DatabaseURL, 0)
		if err != nil {
			return nil, fmt.Errorf("source.realtime: %w", err)
		}
		r.Password = s.opts.DatabasePassword
		s.closeReader = r.Close
		return r, nil
	}
	rest := s.opts.RestURL
	if rest == "" {
		rest = restURL(s.opts.URL)
	}
	if rest == "" {
		return nil, errors.New("source.realtime.url is that of a Realtime server without a gateway: also give the address of PostgREST or of the database, from which lost changes are read back")
	}
	r, err := readback.NewPostgREST(readback.PostgRESTOptions{URL: rest, Key: s.opts.KeyFunc, Rate: s.opts.RequestRate})
	if err != nil {
		return nil, fmt.Errorf("source.realtime: %w", err)
	}
	s.closeReader = r.Close
	return r, nil
}

// Run follows the tables until ctx ends or h returns an error, and returns
// that. It calls h from this goroutine only, and returns when every goroutine
// it started has ended. Nothing that Realtime or the database does ends it.
// It may be called once.
func (s *Source) Run(ctx context.Context, h source.Handler) error {
	if !s.running.CompareAndSwap(false, true) {
		return errors.New("realtime source was already run")
	}
	stopKeeping := s.keep(ctx)
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { s.connectLoop(ctx) })
	wg.Go(func() { s.rec.run(ctx) })
	s.gap(nil, gapStart)
	err := (&publisher{s: s, h: h}).run(ctx)
	cancel()
	wg.Wait()
	stopKeeping()
	s.setState(StateStopped)
	if cerr := s.closeReader(); cerr != nil {
		s.log.Debug("closing the reader failed", "error", cerr)
	}
	return err
}

// keep loads the ledger and has it written, until what it returns is called.
func (s *Source) keep(ctx context.Context) (stop func()) {
	if s.kept == nil {
		return func() {}
	}
	s.kept.Load(ctx)
	return s.kept.Start(ctx)
}

// gap counts a gap of a table, or of all where it is nil, and has it read
// back.
func (s *Source) gap(t *table, reason string) {
	s.stats.count(s.stats.gaps, reason)
	s.rec.requests.gap()
	name := "all tables"
	if t != nil {
		name = t.Name
	}
	s.log.Debug("changes may be missing, reading back", "table", name, "reason", reason)
}

func (s *Source) setState(st State) {
	was, changed := s.stats.setState(st)
	if !changed {
		return
	}
	// Between two attempts at a server that is down the state goes to and
	// fro; what matters is whether changes flow.
	write := s.log.Debug
	if st == StateLive || was == StateLive {
		write = s.log.Info
	}
	write("realtime source changed state", "state", string(st), "was", string(was))
}

// anyNotLive reports whether some channel does not deliver now.
func (s *Source) anyNotLive() bool {
	for _, t := range s.tables.list {
		if t.liveSince.Load() == 0 {
			return true
		}
	}
	return false
}
