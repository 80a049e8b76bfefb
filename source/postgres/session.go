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
	if err := c.checkServer(ctx); err != nil {
		return nil, err
	}
	look, err := s.acquire(ctx, c, h)
	if err != nil {
		return nil, err
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
	from := s.progress.reached()
	if from != 0 && (id != s.history || from > end) {
		// A place of another history: passing it would make the server leave
		// out all that comes before it, in silence (measured).
		if err := s.gap(ctx, h, "the server's history is another one: a restore or a failover", look.now); err != nil {
			return nil, err
		}
		from = 0
	}
	s.history = id
	if err := s.copyBoth(ctx, conn, from); err != nil {
		return nil, err
	}
	s.progress.start(look.confirmed, s.retentionLimit(look))
	s.progress.observe(max(end, look.current))
	return s.newStream(conn, l)
}

// retentionLimit is how many bytes the retained stretch of time may hold
// back: half of what would cost the slot.
func (s *Source) retentionLimit(look *slotLook) uint64 {
	limit := s.opts.MaxLag / 2
	if look.keep >= 0 {
		limit = min(limit, uint64(look.keep)/2)
	}
	return limit
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
	others.Go(func() { s.watch(watching, c, st) })
	done := make(chan struct{})
	others.Go(func() { st.replies(done) })

	r := &reading{stream: st, handler: h, relations: newRelations()}
	err := r.read()

	if !ended() {
		// Its wake must not come after finish has put the link to rest.
		<-interrupted
	}
	stopWatching()
	close(done)
	others.Wait()
	s.progressed = s.counters.transactions.Load() > before
	if errors.Is(err, errStop) {
		st.finish()
		err = nil
	}
	_ = st.conn.Close()
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
