package engineio

import (
	"errors"
	"os"
	"time"
)

// writeChunk is how much one write timeout is for: a slow client that takes this
// much in time makes progress.
const writeChunk = 32 << 10

// drain writes for one session that its writer cannot serve without waiting: rest
// of a batch of n messages and size bytes that the kernel did not take, then all
// that is queued. It is also how connections without a file descriptor of their
// own (TLS) and compressed ones are written to. It has the wire until it returns.
func (s *Session) drain(ws *wsConn, rest []byte, n, size int) {
	var (
		batch []*Message
		since = s.server.now()
	)
	for {
		if n > 0 {
			if err := s.writeAll(ws, rest); err != nil {
				return
			}
			s.server.observe(n, size, s.server.now()-since)
		}
		// Back to no deadline before the writer may have the wire again.
		_ = ws.Conn.SetWriteDeadline(time.Time{})
		if !s.wrote(n, size) {
			return
		}
		batch, since = s.take(batch[:0], maxBatch)
		rest, n, size = rest[:0], len(batch), 0
		for _, m := range batch {
			rest = append(rest, ws.wire(m)...)
			size += len(m.frames)
		}
	}
}

// writeAll writes data, however long that takes, as long as there is progress. It
// ends the session when there is none.
func (s *Session) writeAll(ws *wsConn, data []byte) error {
	for len(data) > 0 {
		chunk := data[:min(len(data), writeChunk)]
		_ = ws.Conn.SetWriteDeadline(time.Now().Add(s.server.opts.WriteTimeout))
		n, err := ws.Conn.Write(chunk)
		if err != nil {
			reason := TransportError
			if errors.Is(err, os.ErrDeadlineExceeded) {
				reason = WriteTimeout
			}
			s.end(reason)
			return err
		}
		data = data[n:]
	}
	return nil
}
