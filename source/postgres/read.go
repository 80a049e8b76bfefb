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
	errNoReply   = errors.New("the server has not replied to three keepalive requests")
	errServerEnd = errors.New("the server ended the stream: it is shutting down or gave the connection up (its log says why)")
	errShutdown  = errors.New("the server is shutting down")
)

const opRead = "read the stream"

// waitsForStandbys is the server's function that warns, with the same SQLSTATE,
// that a slot of synchronized_standby_slots has no reader: nothing is left out, the
// server waits. Texts are translated, the names of functions are not.
const waitsForStandbys = "StandbySlotsHaveCaughtup"

func readProblem(c class, err error) *problem { return &problem{class: c, op: opRead, err: err} }

// txState is where in the stream the reader is.
type txState uint8

const (
	betweenTx txState = iota
	inTx
	// inSkippedTx: in a transaction that was handled on an earlier connection.
	inSkippedTx
)

// reading is the state of the goroutine that reads a stream.
type reading struct {
	*stream
	ctx       context.Context // that of Run
	handler   source.Handler
	relations *relations
	decoder   pgoutput.Decoder

	change   source.Change
	tx       source.Tx
	state    txState
	changes  int // of the transaction
	shutdown shutdownDetector
}

// shutdownDetector counts keepalives that request a reply at the same place. A
// server requests one only after it received nothing for half of its time-out,
// unless it is shutting down: then it has sent everything and requests the next
// reply at once, until all is confirmed (measured: 28,000 a second). Confirming
// all would give up the window that the slot holds for the next start, and ending
// the stream lets the server shut down just as well.
type shutdownDetector struct {
	at    pgoutput.LSN
	since time.Time
	n     int
}

const (
	shutdownRequests = 10
	shutdownWithin   = time.Second
)

// observe notes a keepalive and reports whether the server is shutting down.
func (a *shutdownDetector) observe(k *pgoutput.Keepalive, now time.Time) bool {
	if !k.ReplyRequested {
		return false
	}
	if k.WALEnd != a.at || now.Sub(a.since) > shutdownWithin {
		*a = shutdownDetector{at: k.WALEnd, since: now}
	}
	a.n++
	return a.n >= shutdownRequests
}

// read reads until the stream ends, and returns why: always an error.
func (r *reading) read() error {
	for {
		if err := r.stopped(); err != nil {
			return err
		}
		if r.state == betweenTx && (r.gap.Load() != nil || r.s.pending.gap != nil) {
			if err := r.reportPending(); err != nil {
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
		err = errNoReply
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = errServerEnd
	}
	return r.s.classify(opRead, err)
}

// other handles what is not CopyData.
func (r *reading) other(msg pgproto3.BackendMessage) error {
	switch m := msg.(type) {
	case *pgproto3.ErrorResponse:
		return r.s.classify(opRead, pgconn.ErrorResponseToPgError(m))
	case *pgproto3.NoticeResponse:
		e := pgconn.ErrorResponseToPgError((*pgproto3.ErrorResponse)(m))
		// Postgres 18 only warns where earlier versions fail, and leaves the
		// changes out (measured).
		if e.Code == "55000" && e.Routine != waitsForStandbys {
			_, hint := r.s.publicationGone()
			return &problem{class: classRetry, op: opRead, err: e, hint: hint}
		}
		return nil
	case *pgproto3.ParameterStatus:
		if (m.Name == "DateStyle" && !strings.HasPrefix(m.Value, "ISO")) || (m.Name == "TimeZone" && m.Value != "UTC") {
			return readProblem(classRetry, fmt.Errorf("the session's %s became %q", m.Name, m.Value))
		}
		return nil
	case *pgproto3.CopyDone, *pgproto3.CommandComplete, *pgproto3.ReadyForQuery:
		return readProblem(classRetry, errServerEnd)
	}
	return readProblem(classRetry, fmt.Errorf("unexpected %T", msg))
}

// frame handles the payload of one CopyData.
func (r *reading) frame(b []byte) error {
	if len(b) == 0 {
		return readProblem(classRetry, errors.New("an empty frame"))
	}
	switch b[0] {
	case pgoutput.XLogDataByte:
		var x pgoutput.XLogData
		if err := x.Decode(b); err != nil {
			return readProblem(classFatal, err)
		}
		return r.message(&x)
	case pgoutput.KeepaliveByte:
		var k pgoutput.Keepalive
		if err := k.Decode(b); err != nil {
			return readProblem(classFatal, err)
		}
		return r.keepalive(&k)
	}
	return readProblem(classFatal, fmt.Errorf("frame %q is not known", b[0]))
}

func (r *reading) keepalive(k *pgoutput.Keepalive) error {
	now := time.Now()
	if r.state == betweenTx {
		if err := r.passed(k.WALEnd); err != nil {
			return err
		}
	}
	r.s.progress.keepalive(k.WALEnd, now)
	if r.shutdown.observe(k, now) && r.s.progress.retains() {
		return readProblem(classRetry, errShutdown)
	}
	if k.ReplyRequested || r.s.progress.overLimit() {
		r.requestStatus()
	}
	return nil
}
