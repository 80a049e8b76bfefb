//go:build linux

package load

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// What a connection waits for.
type state uint8

const (
	dialing state = iota // the TCP connection
	upgrade              // the response to the WebSocket handshake
	opening              // the Engine.IO open packet
	joining              // the acknowledgement of CONNECT
	joined               // nothing: events come
	gone                 // it has ended
)

// pongFrame is masked with the mask 0, which is a mask like any other: FIN and
// text, then mask bit and length.
var pongFrame = []byte{0x81, 0x80 | 1, 0, 0, 0, 0, '3'}

func connectFrame(auth string) []byte {
	b := []byte{0x81, 0x80 | 126}
	b = binary.BigEndian.AppendUint16(b, uint16(2+len(auth)))
	return append(append(b, 0, 0, 0, 0, '4', '0'), auth...)
}

const (
	// maxCarry bounds what is kept from one read to the next: an HTTP response
	// head or a small frame. An event is not kept but skipped.
	maxCarry = 4096
	// smallFrame is the largest payload that is looked at whole: everything of
	// the protocol but events is smaller.
	smallFrame = 256
)

var errProtocol = errors.New("server sent what is neither Engine.IO nor an event")

// conn is one connection. Between reads it keeps an unfinished small frame in
// carry, or the bytes of an event still to be skipped in skip.
type conn struct {
	fd    int
	index int32 // in Group.conns
	state state
	carry []byte
	skip  int
	// frames counts events; last is the number of the last one that was
	// sampled.
	frames uint64
	last   uint64
}

// feed handles what was read. It returns what to send back, if anything.
func (g *Group) feed(c *conn, b []byte, now uint64) (reply []byte, err error) {
	for len(b) > 0 {
		if c.skip > 0 {
			n := min(c.skip, len(b))
			c.skip -= n
			b = b[n:]
			continue
		}
		if c.state == upgrade {
			end := bytes.Index(b, []byte("\r\n\r\n"))
			if end < 0 {
				return reply, c.keep(b)
			}
			if !bytes.HasPrefix(b, []byte("HTTP/1.1 101")) {
				return reply, errors.New("refused: " + string(b[:bytes.IndexByte(b, '\r')]))
			}
			b = b[end+4:]
			c.state = opening
			if g.o.Bare {
				g.join(c)
			}
			continue
		}
		header, size, ok := frame(b)
		if !ok {
			return reply, c.keep(b)
		}
		if size > smallFrame && c.state == joined {
			if len(b) < header+len(g.prefix) {
				return reply, c.keep(b)
			}
			g.event(c, b[header:min(len(b), header+size)], now)
			c.skip = header + size
			continue
		}
		if len(b) < header+size {
			return reply, c.keep(b)
		}
		out, err := g.small(c, b[0]&0x0f, b[header:header+size])
		if err != nil {
			return reply, err
		}
		if out != nil {
			reply = out
		}
		b = b[header+size:]
	}
	return reply, nil
}

// event counts an event, of which b is what has been read so far.
func (g *Group) event(c *conn, b []byte, now uint64) {
	if !bytes.HasPrefix(b, g.prefix) {
		return
	}
	c.frames++
	g.deliveries++
	if g.deliveries%g.sampleEvery != 0 {
		return
	}
	seq, due, ok := g.parse(b)
	if !ok {
		return // cut by the end of the read, which happens to any event alike
	}
	if seq < c.last {
		g.disorder++
	}
	c.last = seq
	g.hist.Add(sinceDue(now, due))
}

// small handles a frame of the protocol.
func (g *Group) small(c *conn, opcode byte, payload []byte) (reply []byte, err error) {
	switch {
	case opcode == 8:
		return nil, errors.New("server closed")
	case opcode == 9 || opcode == 10:
		return nil, nil // nobody pings us within a benchmark
	case len(payload) == 1 && payload[0] == '2':
		return pongFrame, nil
	case c.state == opening && len(payload) > 0 && payload[0] == '0':
		c.state = joining
		return g.connect, nil
	case c.state == joining && bytes.HasPrefix(payload, []byte("40")):
		g.join(c)
		return nil, nil
	case c.state == joined && bytes.HasPrefix(payload, []byte("42")):
		return nil, nil // an event too small to count
	}
	return nil, errProtocol
}

// frame reads a frame's header: its length and that of the payload.
func frame(b []byte) (header, size int, ok bool) {
	if len(b) < 2 {
		return 0, 0, false
	}
	switch n := int(b[1] & 0x7f); {
	case n < 126:
		return 2, n, true
	case n == 126 && len(b) >= 4:
		return 4, int(binary.BigEndian.Uint16(b[2:])), true
	case n == 127 && len(b) >= 10:
		return 10, int(binary.BigEndian.Uint64(b[2:])), true
	}
	return 0, 0, false
}

// keep saves an unfinished part for the next read.
func (c *conn) keep(b []byte) error {
	if len(b) > maxCarry {
		return errProtocol
	}
	c.carry = append(c.carry[:0], b...)
	return nil
}
