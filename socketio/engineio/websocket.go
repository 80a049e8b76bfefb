package engineio

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/gorilla/websocket"

	"chatbridge/internal/recv"
)

// readBuffer is the size of a connection's read buffer. Clients send little, and
// gorilla reads what is larger past the buffer; it takes a hijacked reader over
// only if its buffer is larger than 256 bytes.
const readBuffer = 272

// wsConn is a WebSocket connection: gorilla's for the handshake and for reading,
// and the connection below it, to which the frames are written.
//
// gorilla writes each frame by itself, from a buffer of the connection. The frames of
// a server are not masked, so they are the same bytes for all clients; they are
// encoded once ([Message]) and written here, many at a time. Measured on one core, 1,000
// connections, 463 bytes: a write for each frame ends at 146,000 a second with
// gorilla's prepared messages, and no faster without gorilla.
type wsConn struct {
	net.Conn
	gorilla *websocket.Conn
	reader  *bufio.Reader // gorilla's own, to see whether it is empty

	raw  syscall.RawConn // for sender and poller; nil without a descriptor, as with TLS
	wire *wire           // the connection below TLS; nil for none

	// Guarded by poller.mu.
	watched          bool
	slot, generation int32

	// response gets what gorilla writes while it answers the handshake. Later it is
	// nil and what gorilla writes is dropped: control frames are answered by the
	// session.
	response []byte
	// readErr is the connection's own error; other errors of gorilla mean that the
	// client broke the protocol. Of the reading goroutine alone.
	readErr error
}

// Read reads from the connection below, for gorilla.
func (c *wsConn) Read(p []byte) (int, error) {
	n, err := recv.Read(c.Conn, c.raw, p)
	if err != nil {
		c.readErr = err
	}
	return n, err
}

// Write keeps what gorilla writes during the handshake, and drops the rest.
func (c *wsConn) Write(p []byte) (int, error) {
	if c.response != nil {
		c.response = append(c.response, p...)
	}
	return len(p), nil
}

// SetWriteDeadline ignores gorilla's deadlines: it never writes to the connection.
func (c *wsConn) SetWriteDeadline(time.Time) error { return nil }

// hijacker gives gorilla a wsConn for the connection, and small buffers.
type hijacker struct {
	http.ResponseWriter
	conn   *wsConn
	writer *bufio.Writer
}

// Hijack implements http.Hijacker.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffers, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	if buffers.Reader.Buffered() > 0 { // frames before the answer: gorilla closes it
		return conn, buffers, nil
	}
	// The HTTP server's buffers of 4 kB each are not used: a client sends little,
	// and nothing is written through them.
	h.conn.Conn = conn
	h.conn.reader = bufio.NewReaderSize(h.conn, readBuffer)
	return h.conn, bufio.NewReadWriter(h.conn.reader, h.writer), nil
}

// responseWriters has the writers of which gorilla uses the buffer for its response.
var responseWriters = sync.Pool{New: func() any { return bufio.NewWriterSize(io.Discard, 512) }}

// accept does the WebSocket handshake but for sending its response, which it leaves
// in the connection: it is sent with the first packets, in one write. If the
// handshake fails, it has refused the request.
func (s *Server) accept(w http.ResponseWriter, r *http.Request) (*wsConn, error) {
	ws := &wsConn{response: make([]byte, 0, 384)}
	h := &hijacker{ResponseWriter: w, conn: ws, writer: responseWriters.Get().(*bufio.Writer)}
	defer responseWriters.Put(h.writer)
	var header http.Header
	if offered := websocket.Subprotocols(r); len(offered) > 0 {
		// A browser closes the connection if none of those it offers is chosen.
		header = http.Header{"Sec-Websocket-Protocol": offered[:1]}
	}
	var err error
	if ws.gorilla, err = s.upgrader.Upgrade(h, r, header); err != nil {
		return nil, err
	}
	ws.gorilla.SetReadLimit(int64(s.opts.MaxPayload))
	ws.gorilla.SetCloseHandler(func(int, string) error { return nil })
	ws.findDescriptor()
	return ws, nil
}

// answer sends the response of the handshake and what shall follow it at once.
func (c *wsConn) answer(text ...[]byte) error {
	b := c.response
	c.response = nil
	for _, t := range text {
		b = append(appendFrameHeader(b, opText, len(t)), t...)
	}
	_, err := c.Conn.Write(b)
	return err
}

// lingerTime is how long a closed connection is kept for the client's own close.
// Closing a socket with unread data resets it, and the client would lose what was
// written last.
const lingerTime = time.Second

// closeFor closes the connection for a reason. sendFrame asks for a close frame
// first, frameSent tells that it was sent.
func (c *wsConn) closeFor(reason Reason, sendFrame, frameSent bool) {
	defer func() { _ = c.Conn.Close() }()
	switch reason {
	case QueuePackets, QueueBytes, WriteTimeout, PingTimeout:
		// The client reads nothing: what the kernel has not sent is dropped.
		if tcp, ok := c.Conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		c.wire.cut(true)
		return
	}
	deadline := time.Now().Add(lingerTime)
	if sendFrame {
		frameSent = c.sendCloseFrame(closeFrame(reason), deadline)
	}
	if !frameSent {
		c.wire.cut(false)
		return
	}
	c.endWrites()
	if c.wire.kept() > 0 {
		c.wire.cut(false)
		return
	}
	_ = c.Conn.SetReadDeadline(deadline)
	// What comes is not used, and how it ends does not matter.
	_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
}

// endWrites tells the client that no more will come. It does not wait if there is a
// descriptor, also below TLS.
func (c *wsConn) endWrites() {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // its error would be of a connection that has ended
	}
}

// endWritesOfShed is endWrites where nobody writes any more and the client is still to be
// served: with TLS it waits, for some seconds at most.
func (c *wsConn) endWritesOfShed() {
	if c.wire != nil {
		_ = c.Conn.SetWriteDeadline(time.Now().Add(lingerTime)) // CloseWrite sets its own
		c.wire.set(wireWaits)
	}
	c.endWrites()
}

// sendCloseFrame reports whether the frame was sent. A client that does not read gets
// none, and is not waited for if there is a descriptor, also below TLS.
func (c *wsConn) sendCloseFrame(frame []byte, deadline time.Time) bool {
	if c.raw != nil {
		n, err := newSender().trySend(c.raw, frame)
		return err == nil && n == len(frame)
	}
	if c.wire != nil {
		n, err := c.wire.tryWrite(c.Conn, frame)
		return err == nil && n == len(frame) && c.wire.kept() == 0
	}
	_ = c.Conn.SetWriteDeadline(deadline)
	_, err := c.Conn.Write(frame)
	return err == nil
}

// lingerBytes bounds what is read from a closed connection.
const lingerBytes = 4 << 20

// closeFrame returns the close frame for a reason (RFC 6455, section 7.4).
func closeFrame(reason Reason) []byte {
	code := 0
	switch reason {
	case PayloadTooBig:
		code = websocket.CloseMessageTooBig
	case RateLimit:
		code = websocket.ClosePolicyViolation
	}
	if code == 0 {
		return []byte{opClose, 0}
	}
	return binary.BigEndian.AppendUint16([]byte{opClose, 2}, uint16(code))
}
