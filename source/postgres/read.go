package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"chatbridge/source"
	"chatbridge/source/postgres/pgoutput"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

var (
	errSilent    = errors.New("the server has not answered three questions whether it lives")
	errServerEnd = errors.New("the server ended the stream: it is shutting down or gave the connection up (its log says why)")
	errShutdown  = errors.New("the server is shutting down")
)

// reading is the state of the goroutine that reads a stream.
type reading struct {
	*stream
	ctx       context.Context // that of Run
	handler   source.Handler
	relations *relations
	decoder   pgoutput.Decoder

	change source.Change
	tx     source.Tx
	inTx   bool
	// skips: the transaction was handled before, on an earlier connection.
	skips   bool
	changes int // of the transaction
	idle    idleAsks
}

// idleAsks counts keepalives that ask for a reply at the same place. In
// ordinary life the server asks only after it has heard nothing for half of
// its time-out. One that is shutting down has sent everything, and asks again
// at once after each answer, until all is confirmed (measured: 28,000 a
// second). To confirm it would give up the window that the slot keeps for the
// next start; a stream that is ended holds up no shutdown either.
type idleAsks struct {
	at    pgoutput.LSN
	since time.Time
	n     int
}

const (
	shutdownAsks   = 10
	shutdownWithin = time.Second
)

// shutdown notes a keepalive and reports whether the server is shutting down.
func (a *idleAsks) shutdown(k *pgoutput.Keepalive, now time.Time) bool {
	if !k.ReplyRequested {
		return false
	}
	if k.WALEnd != a.at || now.Sub(a.since) > shutdownWithin {
		*a = idleAsks{at: k.WALEnd, since: now}
	}
	a.n++
	return a.n >= shutdownAsks
}

// read reads until the stream ends, and returns why: always an error.
func (r *reading) read() error {
	for {
		if err := r.stopped(); err != nil {
			return err
		}
		if g := r.gap.Load(); g != nil && !r.inTx {
			r.gap.Store(nil)
			if err := r.s.tell(r.ctx, r.handler, *g); err != nil {
				return err
			}
		}
		msg, err := r.frontend.Receive()
		if err != nil {
			return r.readError(err)
		}
		if data, ok := msg.(*pgproto3.CopyData); ok {
			err = r.frame(data.Data)
		} else {
			err = r.other(msg)
		}
		if err != nil {
			return err
		}
	}
}

// readError says what a failed read means.
func (r *reading) readError(err error) error {
	if stop := r.stopped(); stop != nil {
		return stop
	}
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		err = errSilent
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = errServerEnd
	}
	return r.s.classify("read the stream", err)
}

// other handles what is not CopyData.
func (r *reading) other(msg pgproto3.BackendMessage) error {
	const op = "read the stream"
	switch m := msg.(type) {
	case *pgproto3.ErrorResponse:
		return r.s.classify(op, pgconn.ErrorResponseToPgError(m))
	case *pgproto3.NoticeResponse:
		e := pgconn.ErrorResponseToPgError((*pgproto3.ErrorResponse)(m))
		// Postgres 18 only warns where earlier versions fail, and leaves the
		// changes out (measured).
		if e.Code == "55000" {
			_, hint := r.s.publicationGone()
			return &problem{class: classRetry, op: op, err: e, hint: hint}
		}
		return nil
	case *pgproto3.ParameterStatus:
		if (m.Name == "DateStyle" && !strings.HasPrefix(m.Value, "ISO")) || (m.Name == "TimeZone" && m.Value != "UTC") {
			return &problem{class: classRetry, op: op, err: fmt.Errorf("the session's %s became %q", m.Name, m.Value)}
		}
		return nil
	case *pgproto3.CopyDone, *pgproto3.CommandComplete, *pgproto3.ReadyForQuery:
		return &problem{class: classRetry, op: op, err: errServerEnd}
	}
	return &problem{class: classRetry, op: op, err: fmt.Errorf("unexpected %T", msg)}
}

// frame handles the payload of one CopyData.
func (r *reading) frame(b []byte) error {
	if len(b) == 0 {
		return &problem{class: classRetry, op: "read the stream", err: errors.New("an empty frame")}
	}
	switch b[0] {
	case pgoutput.XLogDataByte:
		var x pgoutput.XLogData
		if err := x.Decode(b); err != nil {
			return &problem{class: classFatal, op: "read the stream", err: err}
		}
		return r.message(&x)
	case pgoutput.KeepaliveByte:
		var k pgoutput.Keepalive
		if err := k.Decode(b); err != nil {
			return &problem{class: classFatal, op: "read the stream", err: err}
		}
		return r.keepalive(&k)
	}
	return &problem{class: classFatal, op: "read the stream", err: fmt.Errorf("frame %q is not known", b[0])}
}

func (r *reading) keepalive(k *pgoutput.Keepalive) error {
	now := time.Now()
	if !r.inTx {
		if err := r.passed(k.WALEnd); err != nil {
			return err
		}
	}
	r.s.progress.keepalive(k.WALEnd, now)
	if r.idle.shutdown(k, now) && r.s.progress.retains() {
		return &problem{class: classRetry, op: "read the stream", err: errShutdown}
	}
	if k.ReplyRequested || r.s.progress.heavy() {
		r.reply()
	}
	return nil
}
