package engineio

import (
	"errors"
	"os"
	"time"
)

// writeChunk is how much one write timeout is for: a slow client that takes this
// much in time makes progress.
const writeChunk = 32 << 10

// drain writes for one session that its writer cannot serve without waiting: rest, which it
// does not change, of n messages and size bytes, then all that is queued. All that is for
// connections with neither a descriptor nor a wire is written in this way. The session's
// writeOwned is set when it starts, and cleared when it returns with an empty queue.
func (s *Session) drain(ws *wsConn, rest []byte, watches []*Watch, n, size int) {
	var (
		batch   []*Message
		buf     []byte
		since   = s.server.now()
		packets = n
	)
	for {
		if n > 0 {
			if err := s.writeAll(ws, rest); err != nil {
				return
			}
			s.server.countWrite(packets, len(rest), s.server.now()-since)
			wrote(batch)
			for _, w := range watches {
				w.wrote()
			}
			watches = nil
		}
		s.mu.Lock()
		s.addQueued(-n, -size)
		if len(s.queue) == 0 || s.state == stateClosed {
			s.writeOwned = false
			last, reason := s.lastTaken()
			s.mu.Unlock()
			if last {
				s.closeWritten(reason)
			}
			return
		}
		batch, since = s.take(batch[:0], maxBatch)
		n, size = len(batch), 0
		buf, packets = buf[:0], 0
		for _, m := range batch {
			buf = m.appendFrames(buf)
			size += m.Size()
			packets += m.packets()
		}
		rest = buf
		s.addQueued(n, size) // until it is written
		s.mu.Unlock()
	}
}

// writeAll writes what the connection's wire has kept, and data, however long that takes, as
// long as there is progress (see progress). It closes the session when there is none.
func (s *Session) writeAll(ws *wsConn, data []byte) error {
	watch := s.watchProgress(ws.Conn, ws.Conn.SetWriteDeadline)
	defer watch.end() // a deadline would hold for trySend as well
	extend := func() {
		_ = ws.Conn.SetWriteDeadline(time.Now().Add(s.server.limits.Load().WriteTimeout))
	}
	extend() // crypto/tls may be the first to write
	ws.wire.set(wireWaits)
	defer ws.wire.set(wireOwn) // before the deadline ends: set waits for what crypto/tls writes
	for len(data) > 0 || ws.wire.kept() > 0 {
		extend()
		n, err := ws.writeSome(data)
		if err != nil {
			reason := TransportError
			if errors.Is(err, os.ErrDeadlineExceeded) {
				reason = WriteTimeout
			}
			s.CloseNow(reason)
			return err
		}
		data = data[n:]
	}
	return nil
}

// writeSome writes writeChunk bytes at most, and returns how many of them are of data: none
// while the wire has some of what was written before.
func (c *wsConn) writeSome(data []byte) (int, error) {
	if c.wire.kept() > 0 {
		return 0, c.wire.flushSome(writeChunk)
	}
	return c.Conn.Write(data[:min(len(data), writeChunk)])
}
