package postgres

import (
	"time"

	"chatbridge/source/postgres/pgoutput"

	"github.com/jackc/pgx/v5/pgproto3"
)

const (
	// statusInterval is how often a status update is sent, whether anything
	// changed or not: a bridge on standby takes a reader that sends none for dead,
	// and ends its connection.
	statusInterval = time.Second
	// writeTimeout bounds a write of 39 bytes, which blocks only when the
	// network is gone. After it the connection is of no use.
	writeTimeout = 10 * time.Second
)

// sendStatusUpdates sends standby status updates until done is closed. It is the
// only writer of the socket, in a goroutine of its own, so that a slow handler
// does not delay them: the server ends a connection that sends none.
func (st *stream) sendStatusUpdates(done <-chan struct{}) {
	tick := time.NewTicker(min(statusInterval, st.s.opts.Ping))
	defer tick.Stop()
	var pinged time.Time
	var frame []byte
	pingNow := false
	for {
		now := time.Now()
		ping := pingNow || now.Sub(pinged) >= st.s.opts.Ping
		pingNow = false
		if ping {
			pinged = now
		}
		var err error
		if frame, err = st.status(frame, now, ping); err != nil {
			st.interrupt(st.s.classify("report progress", err))
			return
		}
		select {
		case <-tick.C:
		case <-st.wake:
		case <-st.ping:
			pingNow = true
		case <-done:
			return
		}
	}
}

// status sends one status update, in the memory of buf, which it returns.
func (st *stream) status(buf []byte, now time.Time, ping bool) ([]byte, error) {
	handled, confirmed := st.s.progress.positions(now)
	update := pgoutput.StatusUpdate{
		Write: handled, Flush: confirmed, Apply: confirmed,
		Now: pgoutput.TimeOf(now), ReplyRequested: ping,
	}
	var payload [34]byte
	msg := pgproto3.CopyData{Data: update.Append(payload[:0])}
	buf, err := msg.Encode(buf[:0])
	if err != nil {
		return buf, err
	}
	return buf, st.write(buf, writeTimeout)
}

func (st *stream) write(b []byte, timeout time.Duration) error {
	if err := st.conn.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	_, err := st.conn.Write(b)
	return err
}
