package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"chatbridge/internal/sqlquote"
	"chatbridge/source"
	"chatbridge/source/postgres/dial"
	"chatbridge/source/postgres/pgoutput"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// identity names a history: LSNs of another mean nothing here.
type identity struct {
	system   string
	timeline int64
	database string
	// started is when the server's processes were started: a history can only
	// become another one while there are none.
	started string
}

// stream is a replication connection in COPY.
type stream struct {
	s        *Source
	conn     net.Conn // only sendStatusUpdates writes to it until it is joined
	frontend *pgproto3.Frontend
	link     *link
	pid      uint32
	// stop is why the stream shall end, nil while it shall not.
	stop atomic.Pointer[error]
	// wake asks sendStatusUpdates for one at once, and ping for one that asks the
	// server to reply.
	wake, ping chan struct{}
	// gap is what the reading goroutine has to report, nil for nothing.
	gap atomic.Pointer[source.Gap]
}

// connectReplication opens a replication connection, on which no command has
// been given yet.
func (s *Source) connectReplication(ctx context.Context) (*pgconn.PgConn, *link, error) {
	cfg, err := dial.Replication(s.opts.URL, s.opts.Self.Application(s.opts.ApplicationName))
	if err != nil {
		return nil, nil, &problem{class: classFatal, op: "read the database's URL", err: err}
	}
	s.setPassword(cfg)
	link, last := s.dialer(cfg.DialFunc)
	cfg.DialFunc = link
	cfg.RuntimeParams["wal_sender_timeout"] = strconv.FormatInt((s.timeoutFactor * s.opts.ServerTimeout).Milliseconds(), 10)
	if s.raw != "" {
		cfg.RuntimeParams["client_encoding"] = s.raw
	}
	conn, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, nil, s.classify("connect for replication", err)
	}
	return conn, last.Load(), nil
}

// assertFormats makes sure that values come in the form that source.Value
// promises.
func assertFormats(conn *pgconn.PgConn) error {
	style, zone := conn.ParameterStatus("DateStyle"), conn.ParameterStatus("TimeZone")
	if !strings.HasPrefix(style, "ISO") || zone != "UTC" {
		return &problem{
			class: classFatal, op: "check the session's formats", hint: "use the direct address, without a proxy in between",
			err: fmt.Errorf("DateStyle is %q and TimeZone %q although ISO and UTC were asked for", style, zone),
		}
	}
	return nil
}

// identify asks who the server is and where its log ends.
func (s *Source) identify(ctx context.Context, conn *pgconn.PgConn) (identity, pgoutput.LSN, error) {
	results, err := conn.Exec(ctx, "IDENTIFY_SYSTEM").ReadAll()
	if err != nil {
		return identity{}, 0, s.classify("identify the server", err)
	}
	if len(results) != 1 || len(results[0].Rows) != 1 || len(results[0].Rows[0]) < 3 {
		return identity{}, 0, &problem{class: classFatal, op: "identify the server", hint: hintPooler, err: errors.New("the answer has another shape")}
	}
	row := results[0].Rows[0]
	end, err := pgoutput.ParseLSN(string(row[2]))
	if err != nil {
		return identity{}, 0, fmt.Errorf("identify the server: %w", err)
	}
	timeline, err := strconv.ParseInt(string(row[1]), 10, 64)
	if err != nil {
		return identity{}, 0, fmt.Errorf("identify the server: %w", err)
	}
	return identity{system: string(row[0]), timeline: timeline}, end, nil
}

// startSQL is the command that begins the stream. Protocol version 1 and
// nothing else is the same stream on every server version. The server parses
// the publication's name as an identifier, so it is quoted as one.
func (s *Source) startSQL(from pgoutput.LSN) string {
	return fmt.Sprintf("START_REPLICATION SLOT %s LOGICAL %s (proto_version '1', publication_names %s)",
		pgx.Identifier{s.opts.Slot}.Sanitize(), from, sqlquote.Literal(pgx.Identifier{s.opts.Publication}.Sanitize()))
}

// copyBoth gives the command and waits until the server streams.
func (s *Source) copyBoth(ctx context.Context, conn *pgconn.PgConn, from pgoutput.LSN) error {
	conn.Frontend().SendQuery(&pgproto3.Query{String: s.startSQL(from)})
	if err := conn.Frontend().Flush(); err != nil {
		return s.classify("start replication", err)
	}
	for {
		msg, err := conn.ReceiveMessage(ctx)
		if err != nil {
			return s.classify("start replication", err)
		}
		switch m := msg.(type) {
		case *pgproto3.CopyBothResponse:
			return nil
		case *pgproto3.ErrorResponse:
			return s.classify("start replication", pgconn.ErrorResponseToPgError(m))
		case *pgproto3.NoticeResponse, *pgproto3.ParameterStatus:
		default:
			return &problem{class: classRetry, op: "start replication", err: fmt.Errorf("unexpected %T", m)}
		}
	}
}

// newStream takes the connection over from pgconn, whose context watcher
// would set deadlines for writes that are not its own.
func (s *Source) newStream(conn *pgconn.PgConn, l *link) (*stream, error) {
	hc, err := conn.Hijack()
	if err != nil {
		return nil, fmt.Errorf("take over the connection: %w", err)
	}
	if err := hc.Conn.SetDeadline(time.Time{}); err != nil {
		return nil, s.classify("take over the connection", err)
	}
	// A ping is always under way, so three are missed after three intervals and
	// the time of one answer.
	l.timeout.Store(int64(s.timeoutFactor * (3*s.opts.Ping + s.opts.Ping/2)))
	return &stream{
		s: s, conn: hc.Conn, frontend: hc.Frontend, link: l, pid: hc.PID,
		wake: make(chan struct{}, 1), ping: make(chan struct{}, 1),
	}, nil
}

// interrupt makes the stream end because of err; the first err is kept. Any
// goroutine may call it.
func (st *stream) interrupt(err error) {
	st.stop.CompareAndSwap(nil, &err)
	st.link.interrupt()
}

// stopped returns why the stream shall end, nil while it shall not.
func (st *stream) stopped() error {
	if err := st.stop.Load(); err != nil {
		return *err
	}
	return nil
}

// queueGap has the reading goroutine report a gap. A ping makes sure that it
// reads something soon.
func (st *stream) queueGap(g *source.Gap) {
	if before := st.gap.Load(); before != nil {
		g.Since = before.Since // that one was not reported yet
	}
	st.gap.Store(g)
	st.requestPing()
}

// requestPing asks the server to reply.
func (st *stream) requestPing() {
	select {
	case st.ping <- struct{}{}:
	default:
	}
}

// requestStatus asks for a status update at once.
func (st *stream) requestStatus() {
	select {
	case st.wake <- struct{}{}:
	default: // one is due anyway
	}
}
