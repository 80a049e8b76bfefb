//go:build linux

package load

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// What a connection waits for.
type state uint8

const (
	idle     state = iota // to be dialed
	dialing               // the TCP connection
	securing              // the TLS handshake, which a goroutine of its own does
	upgrade               // the response to the WebSocket handshake
	opening               // the Engine.IO open packet
	joining               // the acknowledgement of CONNECT
	joined                // nothing: events come
	gone                  // it has ended
)

// pongFrame is masked with the mask 0, which is a mask like any other: FIN and
// text, then mask bit and length.
var pongFrame = []byte{0x81, 0x80 | 1, 0, 0, 0, 0, '3'}

// textFrame is a text frame that is masked likewise, of at most 64 KiB.
func textFrame(text string) []byte {
	b := []byte{0x81}
	if len(text) < 126 {
		b = append(b, 0x80|byte(len(text)))
	} else {
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(len(text)))
	}
	return append(append(b, 0, 0, 0, 0), text...)
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
	// began is when it was dialed first, since the Group's beginning; live tells that
	// it has had all that it was to have.
	began time.Duration
	live  bool
	// had tells which of the events that it missed it has had, got how many.
	had []uint64
	got int
	// pid and offset are those of its session, with Options.Remember.
	pid, offset string
	tls         *tls.Conn
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
			switch {
			case g.o.Hello != "":
				c.state = joining
				reply = textFrame(g.o.Hello)
			case g.o.Bare:
				g.join(c)
			}
			continue
		}
		header, size, ok := frame(b)
		if !ok {
			return reply, c.keep(b)
		}
		if size > smallFrame && c.state >= joining {
			if len(b) < header+len(g.prefix) || (g.o.Remember || g.missed.Count > 0) && len(b) < header+size {
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
	if g.o.Remember {
		c.remember(b)
	}
	if g.missed.Count > 0 {
		g.catchUp(c, b)
	}
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
	case g.o.Hello != "":
		if c.state == joining {
			g.join(c)
			return nil, nil
		}
		return textFrame(string(payload)), nil // a heartbeat
	case c.state == opening && len(payload) > 0 && payload[0] == '0':
		c.state = joining
		return textFrame("40" + g.auth(c)), nil
	case c.state == joining && bytes.HasPrefix(payload, []byte("40")):
		if g.o.Remember {
			_, rest, _ := bytes.Cut(payload, []byte(`"pid":"`))
			pid, _, _ := bytes.Cut(rest, []byte(`"`))
			c.pid = string(pid)
		}
		g.join(c)
		return g.subscribe(c), nil
	case c.state == joined && bytes.HasPrefix(payload, []byte(`42["gap"`)):
		g.gaps++
		return nil, nil
	case c.state >= joining && bytes.HasPrefix(payload, []byte("42")):
		return nil, nil // an event too small to count
	case c.state == joining:
		return nil, fmt.Errorf("server answered CONNECT with %.200q", payload)
	}
	return nil, errProtocol
}

// catchUp notes which of the events that it missed a connection has had.
func (g *Group) catchUp(c *conn, b []byte) {
	seq, _, ok := g.parse(b)
	n := (seq - g.missed.From) / max(g.missed.Every, 1)
	if c.had == nil {
		c.had = make([]uint64, (g.missed.Count+63)/64)
	}
	if !ok || seq < g.missed.From || n >= uint64(g.missed.Count) || c.had[n/64]>>(n%64)&1 == 1 {
		g.extra++
		return
	}
	c.had[n/64] |= 1 << (n % 64)
	if c.got++; c.got == g.missed.Count {
		g.isLive(c)
	}
}

// remember keeps the offset that an event carries as its last argument.
func (c *conn) remember(event []byte) {
	event = bytes.TrimSuffix(event, []byte(`"]`))
	if i := bytes.LastIndexByte(event, '"'); i >= 0 && len(event)-i < maxOffset {
		c.offset = string(event[i+1:])
	}
}

// maxOffset is longer than any offset.
const maxOffset = 100

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
