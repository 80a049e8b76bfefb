package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"chatbridge/internal/retry"
	"chatbridge/source"
)

// Source follows a publication from a permanent slot. New makes it; Run may
// be called once at a time.
type Source struct {
	opts     Options
	counters counters
	status   status
	progress progress
	shape    shapeState

	// The rest belongs to the goroutine that called Run.

	// history is the server that progress belongs to, next that of this stream:
	// whether they are the same is not certain before the transaction expect was
	// received. historyDiffers tells that they are not.
	history, next  identity
	expect         transactionID
	historyDiffers bool
	keeper         placeKeeper
	holder         holder
	rivals         rivals
	// began is when this process made the slot for a first start, by the server's
	// clock; zero where it did not.
	began time.Time
	// pending is a gap that is still to be reported.
	pending pendingGap
	// inspectFailed: the last inspection returned an error, which was logged.
	inspectFailed bool
	// restartAdvanced is when restart_lsn was last advanced.
	restartAdvanced time.Time
	// encoding is the database's. raw is the same where the server cannot
	// convert all of it to UTF-8, else empty.
	encoding, raw string
	// ceiling is how many bytes the slot may hold back; see checkSlot.
	ceiling uint64
	// ownPID is the server process of our last stream.
	ownPID uint32
	// walsender is ownPID while that stream is open, for any goroutine; else 0.
	walsender atomic.Uint32
	// lostReason is why the slot has to be replaced, empty where it has not.
	lostReason string
	// notAltered is why the server last refused to alter the slot, which was
	// logged.
	notAltered string
	// publicationMissing tells that the slot is at a place where the
	// publication did not exist.
	publicationMissing bool
	// progressed reports whether the last stream handled a transaction.
	progressed bool
	// timeoutFactor multiplies the time-outs of both sides.
	timeoutFactor time.Duration
}

// New checks the options. It connects to nothing.
func New(opts Options) (*Source, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	opts.setDefaults()
	s := &Source{opts: opts, timeoutFactor: 1}
	s.progress.retain, s.progress.held = opts.Retain, opts.Held
	s.keeper.s = s
	s.status.since = time.Now()
	return s, nil
}

// Run follows the publication until ctx ends and then returns nil, with the
// last position confirmed and the slot free. It connects again by itself after
// any failure that passes or that can be fixed at the server, and says so in
// Stats. What only another configuration of the bridge can fix ends it with a
// *FatalError, and a handler's error ends it with that error. Run waits for
// the handler's method that is running; it is not called after Run returned.
func (s *Source) Run(ctx context.Context, h source.Handler) error {
	backoff := retry.Backoff{Min: s.opts.MinRetry, Max: s.opts.MaxRetry}
	refused := Refusals{Min: s.opts.MinRetry, Slow: s.opts.SlowRetry}
	s.setState(ctx, Connecting, "", "starting")
	for {
		streams, began := s.counters.streams.Load(), time.Now()
		err := s.session(ctx, h)
		if he := (*handlerError)(nil); errors.As(err, &he) {
			s.setState(ctx, Failed, "handler", "the handler returned an error")
			return he.err
		}
		if ctx.Err() != nil {
			s.setState(context.WithoutCancel(ctx), Stopped, "", "stopped")
			return nil
		}
		if s.counters.streams.Load() > streams {
			refused = Refusals{Min: s.opts.MinRetry, Slow: s.opts.SlowRetry}
			s.adaptTimeout(err)
			if s.progressed || time.Since(began) > s.opts.MaxRetry {
				backoff.Reset()
			}
		}
		pause, err := s.after(ctx, err, &backoff, &refused)
		if err != nil {
			return err
		}
		if retry.Sleep(ctx, pause) != nil {
			s.setState(context.WithoutCancel(ctx), Stopped, "", "stopped")
			return nil
		}
	}
}

// after decides what to do about the end of a session: how long to pause, or
// to end.
func (s *Source) after(ctx context.Context, err error, b *retry.Backoff, r *Refusals) (time.Duration, error) {
	if errors.Is(err, errOtherHistory) {
		s.setState(ctx, Connecting, "", err.Error())
		return 0, nil // the gap is reported with the next stream
	}
	var p *problem
	if !errors.As(err, &p) {
		p = &problem{class: classRetry, op: "follow the database", err: err}
	}
	if p.class != classBusy {
		s.setFailure(p)
	}
	topic := p.op + p.code()
	attrs := []slog.Attr{slog.String("error", p.Error())}
	if p.hint != "" {
		attrs = append(attrs, slog.String("remedy", p.hint))
	}
	switch p.class {
	case classFatal:
		s.setState(ctx, Failed, topic, p.Error(), attrs...)
		return 0, &FatalError{Op: p.op, Code: p.code(), Hint: p.hint, Err: p.err}
	case classSlow:
		s.setState(ctx, Blocked, topic, reasonOf(p), attrs...)
		return r.Next(p.code(), time.Now()), nil
	case classBusy:
		if err := s.stoodBy(ctx); err != nil {
			return 0, err
		}
		s.setState(ctx, Standby, "", "another bridge reads the slot")
		return s.opts.StandbyPoll / 4, nil
	case classLost:
		s.lostReason = p.err.Error()
		s.setState(ctx, Retrying, topic, reasonOf(p), attrs...)
		return 0, nil
	}
	s.setState(ctx, Retrying, topic, reasonOf(p), attrs...)
	return b.Next(), nil
}

func reasonOf(p *problem) string {
	if p.hint == "" {
		return p.Error()
	}
	return fmt.Sprintf("%s; %s", p.Error(), p.hint)
}

// adaptTimeout doubles the server's time-out and our own while streams end
// without a reply and without a transaction: a transaction that takes the server
// longer than that to decode, during which it reads nothing from us, would never
// be received otherwise.
func (s *Source) adaptTimeout(err error) {
	const most = 4
	switch {
	case s.progressed:
		s.timeoutFactor = 1
	case errors.Is(err, errNoReply), errors.Is(err, errServerEnd):
		s.timeoutFactor = min(2*s.timeoutFactor, most)
	}
}

// version is the server's, as of server_version_num, 0 before it is known.
func (s *Source) version() int {
	s.status.mu.Lock()
	defer s.status.mu.Unlock()
	return s.status.version
}

func (s *Source) setVersion(v int) {
	s.status.mu.Lock()
	defer s.status.mu.Unlock()
	s.status.version = v
}
