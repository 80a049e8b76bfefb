package postgres

import (
	"context"
	"errors"
	"sync"
	"time"

	"chatbridge/source"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// errStop ends a stream because Run's context has ended.
var errStop = errors.New("stop")

// session is one life of a stream: connect, get the slot, read. It returns
// nil only when ctx has ended and the stream was closed in order.
func (s *Source) session(ctx context.Context, h source.Handler) error {
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
	look, err := s.acquire(ctx, c, h)
	if err != nil {
		return nil, err
	}
	s.ceiling = look.lag() + s.opts.MaxLag
	if gap := s.inspect(ctx, c, look.now); gap != nil {
		if err := s.tell(ctx, h, *gap); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 2*s.opts.Connect)
	defer cancel()
	conn, l, err := s.connectReplication(ctx)
	if err != nil {
		return nil, err
	}
	st, err := s.start(ctx, conn, l, h, &look)
	if err != nil {
		_ = conn.Close(ctx)
		return nil, err
	}
	return st, nil
}

// start begins the stream at what was reached before, or where the slot says.
func (s *Source) start(ctx context.Context, conn *pgconn.PgConn, l *link, h source.Handler, look *slotLook) (*stream, error) {
	if err := assertFormats(conn); err != nil {
		return nil, err
	}
	id, end, err := s.identify(ctx, conn)
	if err != nil {
		return nil, err
	}
	id.database, id.started = look.inDatabase, look.started
	from, err := s.from(ctx, h, id, end, look)
	if err != nil {
		return nil, err
	}
	if err := s.copyBoth(ctx, conn, from); err != nil {
		return nil, err
	}
	s.progress.start(look.confirmed, s.retentionLimit(look))
	s.progress.observe(max(end, look.current))
	s.keeper.begin(time.Now())
	return s.newStream(conn, l)
}

// run reads the stream, with the replier and the watcher beside, and returns
// when all have ended.
func (s *Source) run(ctx context.Context, c *control, st *stream, h source.Handler) error {
	s.ownPID = st.pid
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
	others.Go(func() { st.replies(done) })

	r := &reading{stream: st, handler: h, relations: newRelations(), ctx: ctx}
	err := r.read()

	if !ended() {
		// Its wake must not come after finish has put the link to rest.
		<-interrupted
	}
	stopWatching()
	close(done)
	others.Wait()
	s.progressed = s.counters.transactions.Load() > before
	switch {
	case errors.Is(err, errStop):
		c = s.keepLast(ctx, c)
		st.finish()
		err = nil
	case errors.Is(err, errOtherHistory):
		s.other = true
	}
	_ = st.conn.Close()
	if c != nil {
		c.close(ctx)
	}
	return err
}

// finish ends the stream in order: a last status update, CopyDone, the
// server's answer, Terminate. All of it is bounded and none of it matters to
// correctness, so errors end it quietly.
func (st *stream) finish() {
	deadline := time.Now().Add(st.s.opts.Stop)
	buf, err := st.status(nil, time.Now(), false)
	if err != nil {
		return
	}
	if buf, err = (&pgproto3.CopyDone{}).Encode(buf[:0]); err != nil || st.write(buf, st.s.opts.Stop) != nil {
		return
	}
	st.link.rest(st.s.opts.Stop)
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

// keepLast remembers how far this process came, before that is confirmed. It
// returns c, or what it opened in place of one that the end of a question closed.
func (s *Source) keepLast(ctx context.Context, c *control) *control {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.opts.Stop)
	defer cancel()
	if c == nil || c.conn.IsClosed() {
		c, _ = s.openControl(ctx) // nil where that fails
	}
	s.keeper.keep(ctx, c, time.Now(), true)
	return c
}
