package engineio

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// openWebSocket opens a session on an accepted connection.
func (s *Session) openWebSocket(ws *wsConn, r *http.Request) {
	s.mu.Lock()
	s.ws = ws
	s.mu.Unlock()
	s.answerPings(ws)
	s.server.webSocket.Add(1)
	s.begin(r)
	var open [192]byte
	if err := ws.answer(s.server.appendOpen(open[:0], s.id, true)); err != nil {
		s.CloseNow(TransportError)
		return
	}
	s.releaseWrites()
	s.startReading(ws)
}

// releaseWrites clears writeOwned once the transport is open, and has what was
// queued meanwhile written.
func (s *Session) releaseWrites() {
	s.mu.Lock()
	s.writeOwned = false
	s.ws.wire.set(wireOwn)
	if len(s.queue) > 0 {
		s.schedule()
	}
	s.mu.Unlock()
}

// answerPings answers the ping frames of WebSocket itself, which some clients send,
// in the order of the queue. They count as packets.
func (s *Session) answerPings(ws *wsConn) {
	ws.gorilla.SetPingHandler(func(data string) error {
		if !s.countPacket() {
			s.CloseNow(RateLimit)
			return errRate
		}
		s.Send(control(opPong, []byte(data)))
		return nil
	})
}

var errRate = errors.New("too many packets")

// startReading reads what the client sends until the connection ends: with the
// poller on a goroutine that lives only while there is something to read, without on
// one that blocks.
func (s *Session) startReading(ws *wsConn) {
	if !s.park(ws) {
		s.server.goroutines.Go(func() { s.read(ws) })
	}
}

// park has the poller watch a connection that has nothing to read, and call read when
// it has; false means that there is something to read, or no poller.
func (s *Session) park(ws *wsConn) bool {
	if ws.reader.Buffered() > 0 || !s.server.poller.watch(ws, s) {
		return false
	}
	if s.Closed() { // perhaps before it was watched: setClosed has not removed it then
		s.server.poller.remove(ws)
	}
	return true
}

// read reads messages until the connection ends, or can be parked.
func (s *Session) read(ws *wsConn) {
	for {
		s.limitMessageTime(ws)
		kind, data, err := s.readMessage(ws)
		if err != nil {
			s.CloseNow(ws.reasonOf(err))
			return
		}
		s.endMessageTime(ws)
		ok := s.handleFrame(kind, *data)
		putReadBuffer(data)
		if !ok || s.park(ws) {
			return
		}
	}
}

// limitMessageTime waits for the first byte of a message, and bounds the time until
// its end, for a client that is not authenticated.
func (s *Session) limitMessageTime(ws *wsConn) {
	timeout := s.server.opts.UnauthenticatedTimeout
	if timeout == 0 || !s.unauthenticated() {
		return
	}
	if _, err := ws.reader.Peek(1); err != nil {
		return // readMessage gets it again
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.standing != Authenticated && s.state != stateClosed { // else the deadline is closeFor's
		_ = ws.Conn.SetReadDeadline(time.Now().Add(timeout))
	}
}

// endMessageTime ends what limitMessageTime began; [Session.SetStanding] does so for a
// client that was authenticated meanwhile.
func (s *Session) endMessageTime(ws *wsConn) {
	if s.server.opts.UnauthenticatedTimeout == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.standing != Authenticated && s.state != stateClosed {
		_ = ws.Conn.SetReadDeadline(time.Time{})
	}
}

// handleFrame serves one WebSocket message; false means that no more shall be
// read.
func (s *Session) handleFrame(kind int, data []byte) bool {
	if kind == websocket.BinaryMessage {
		return s.handle(Packet{Type: PacketMessage, Data: data, Binary: true})
	}
	p, err := DecodePacket(data)
	if err != nil {
		s.CloseNow(ParseError)
		return false
	}
	return s.handle(p)
}

// reasonOf returns the reason for closing a session whose connection cannot be read.
func (c *wsConn) reasonOf(err error) Reason {
	closed := (*websocket.CloseError)(nil)
	switch {
	case errors.Is(err, websocket.ErrReadLimit):
		return PayloadTooBig
	case errors.Is(c.readErr, os.ErrDeadlineExceeded):
		return MessageTimeout
	case errors.Is(err, io.EOF) || errors.Is(c.readErr, io.EOF):
		return TransportClose
	case c.readErr != nil:
		return TransportError
	case errors.As(err, &closed):
		return ClientClose
	}
	return ParseError
}

// readMessage reads one message of at most payloadLimit bytes. The caller gives the
// buffer back with putReadBuffer.
func (s *Session) readMessage(ws *wsConn) (kind int, data *[]byte, err error) {
	kind, r, err := ws.gorilla.NextReader()
	if err != nil {
		return 0, nil, err
	}
	data = readBuffers.Get().(*[]byte)
	b := (*data)[:0]
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if limit := s.server.opts.UnauthenticatedPayload; limit > 0 && len(b) > limit && len(b) > s.payloadLimit() {
			err = websocket.ErrReadLimit
		}
		if err == io.EOF {
			*data = b
			return kind, data, nil
		}
		if err != nil {
			*data = b
			putReadBuffer(data)
			return 0, nil, err
		}
	}
}

// payloadLimit returns the size of the largest message or body that the client may
// send now.
func (s *Session) payloadLimit() int {
	o := &s.server.opts
	if o.UnauthenticatedPayload > 0 && s.unauthenticated() {
		return min(o.UnauthenticatedPayload, o.MaxPayload)
	}
	return o.MaxPayload
}

// readBuffers has the buffers of inbound messages, so that an idle connection has
// none.
var readBuffers = sync.Pool{New: func() any {
	b := make([]byte, 0, 1024)
	return &b
}}

func putReadBuffer(b *[]byte) {
	if cap(*b) <= maxReadBuffer {
		readBuffers.Put(b)
	}
}

// maxReadBuffer bounds the buffers that are reused.
const maxReadBuffer = 64 << 10
