package postgres

import (
	"context"
	"errors"
	"sync"
	"time"

	"chatbridge/source"
	"chatbridge/source/postgres/pgoutput"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// errStop ends a stream because Run's context has ended.
var errStop = errors.New("stop")

// session is one life of a stream: connect, get the slot, read. It returns
// nil only when ctx has ended and the stream was closed in order.
func (s *Source) session(ctx context.Context, h source.Handler) error {
	if s.opts.OnStreamEnd != nil {
		defer s.opts.OnStreamEnd()
	}
	c, err := s.openControl(ctx)
	if err != nil {
		return err
	}
	st, err := s.open(ctx, c, h)
	if err != nil {
		c.close(ctx)
		return err
	}
	return s.run(ctx, c, st, h)
}

// open gets the slot and starts the stream.
func (s *Source) open(ctx context.Context, c *control, h source.Handler) (*stream, error) {
	if s.encoding = c.encoding(); s.encoding == sqlASCII {
		s.raw = sqlASCII
	}
	if err := s.checkServer(ctx, c); err != nil {
		return nil, err
	}
	slot, err := s.acquire(ctx, c, h)
	if err != nil {
		return nil, err
	}
	s.ceiling = slot.lag() + s.opts.MaxLag
	if gap := s.inspect(ctx, c, slot.now); gap != nil {
		after := pgoutput.LSN(0)
		if reached, _ := s.progress.reached(); reached == 0 {
			after = min(s.keeper.found.LSN, slot.current)
		}
		s.pending.add(gap, after)
	}
	connecting, cancel := context.WithTimeout(ctx, s.opts.Connect)
	conn, l, err := s.connectReplication(connecting)
	cancel()
	if err != nil {
		return nil, err
	}
	st, err := s.start(ctx, conn, l, h, &slot)
	if err != nil {
		_ = conn.Close(ctx)
		return nil, err
	}
	return st, nil
}

// start begins the stream at the place that startPosition returns.
func (s *Source) start(ctx context.Context, conn *pgconn.PgConn, l *link, h source.Handler, slot *slotState) (_ *stream, err error) {
	if err := assertFormats(conn); err != nil {
		return nil, err
	}
	bounded, cancel := context.WithTimeout(ctx, s.opts.Connect)
	id, end, err := s.identify(bounded, conn)
	cancel()
	if err != nil {
		return nil, err
	}
	id.database, id.started = slot.inDatabase, slot.started
	resumed := s.resume(ctx, id, end, slot)
	defer func() {
		if resumed && err != nil {
			s.forget() // until it streams another one may, and go further
		}
	}()
	from, err := s.startPosition(ctx, h, id, end, slot) // the handler may take its time
	if err != nil {
		return nil, err
	}
	ctx, cancel = context.WithTimeout(ctx, s.opts.Connect)
	defer cancel()
	if err := s.alterFailover(ctx, conn, slot); err != nil {
		return nil, err
	}
	if err := s.copyBoth(ctx, conn, from); err != nil {
		return nil, err
	}
	if s.opts.OnStream != nil {
		reached, _ := s.progress.reached()
		at := Stream{
			System: id.system, Timeline: id.timeline, Database: slot.databaseOID, From: uint64(max(from, slot.confirmed)), Confirmed: uint64(slot.confirmed),
			Fresh: reached == 0, Resumed: resumed && reached != 0,
		}
		if err := s.opts.OnStream(ctx, at); err != nil {
			return nil, err
		}
	}
	s.progress.start(slot.confirmed, s.retentionLimit(slot))
	s.progress.observe(max(end, slot.current))
	s.keeper.begin(time.Now())
	st, err := s.newStream(conn, l)
	if err == nil && s.pending.gap != nil {
		st.requestPing() // so that its place is reached soon
	}
	return st, err
}

// run reads the stream while one goroutine sends status updates and another
// watches the slot. It returns when all have ended.
func (s *Source) run(ctx context.Context, c *control, st *stream, h source.Handler) error {
	s.ownPID = st.pid
	s.walsender.Store(st.pid)
	defer s.walsender.Store(0)
	s.counters.streams.Add(1)
	s.setState(ctx, Streaming, "", "")
	before := s.counters.transactions.Load()
	interrupted := make(chan struct{})
	ended := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		st.interrupt(errStop)
	})

	var others sync.WaitGroup
	watching, stopWatching := context.WithCancel(ctx)
	others.Go(func() { c = s.watch(watching, c, st) })
	done := make(chan struct{})
	others.Go(func() { st.sendStatusUpdates(done) })

	r := &reading{stream: st, handler: h, relations: newRelations(), ctx: ctx}
	err := r.read()

	if !ended() {
		// Its interrupt must not come after finish has resumed the link.
		<-interrupted
	}
	stopWatching()
	close(done)
	others.Wait()
	if g := st.gap.Load(); g != nil {
		s.pending.add(g, 0)
	}
	s.progressed = s.counters.transactions.Load() > before
	switch {
	case errors.Is(err, errStop):
		c = s.saveLast(ctx, c)
		st.finish()
		err = nil
	case errors.Is(err, errOtherHistory):
		s.historyDiffers = true
	}
	_ = st.conn.Close()
	if c != nil {
		c.close(ctx)
	}
	return err
}

// finish ends the stream in order: a last status update, CopyDone, the server's
// answer, Terminate. Each step is bounded. Correctness does not depend on it, so
// errors only end it.
func (st *stream) finish() {
	deadline := time.Now().Add(st.s.opts.Stop)
	buf, err := st.status(nil, time.Now(), false)
	if err != nil {
		return
	}
	if buf, err = (&pgproto3.CopyDone{}).Encode(buf[:0]); err != nil || st.write(buf, st.s.opts.Stop) != nil {
		return
	}
	st.link.resume(st.s.opts.Stop)
	for time.Now().Before(deadline) {
		msg, err := st.frontend.Receive()
		if err != nil {
			return
		}
		if _, ok := msg.(*pgproto3.ReadyForQuery); ok {
			break
		}
	}
	if buf, err = (&pgproto3.Terminate{}).Encode(buf[:0]); err == nil {
		_ = st.write(buf, st.s.opts.Stop)
	}
}

// saveLast saves how far this process came, before that is confirmed. It returns
// c, or a new connection where a cancelled query had closed c.
func (s *Source) saveLast(ctx context.Context, c *control) *control {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.opts.Stop)
	defer cancel()
	if c == nil || c.conn.IsClosed() {
		c, _ = s.openControl(ctx) // nil where that fails
	}
	s.keeper.save(ctx, c, time.Now(), true)
	return c
}
