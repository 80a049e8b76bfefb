package sioclient

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	// writeTimeout bounds one write.
	writeTimeout = 10 * time.Second
	// openTimeout bounds the wait for the open packet.
	openTimeout = 20 * time.Second
	// maxFrame bounds what the server may send at once, in bytes.
	maxFrame = 64 << 20
)

// connection is one websocket with Engine.IO on it. Run's goroutine alone
// receives; send may be called from any.
type connection struct {
	ws *websocket.Conn

	// readTimeout is how long a read may take: the server's ping interval and
	// time-out together, as announced in its open packet. 0 before that.
	readTimeout time.Duration

	writing sync.Mutex
}

// receive returns the next packet of the namespace with its attachments; nil
// for the open packet. It answers pings itself.
func (c *connection) receive(namespace string) (*packet, [][]byte, error) {
	for {
		frame, binary, err := c.read()
		if err != nil {
			return nil, nil, err
		}
		if binary {
			return nil, nil, fmt.Errorf("%w: unannounced attachment", errPacket)
		}
		switch frame[0] {
		case '0':
			return nil, nil, c.open(frame[1:])
		case '1':
			return nil, nil, errors.New("the server closed the transport")
		case '2':
			if err := c.write(websocket.TextMessage, []byte{'3'}); err != nil {
				return nil, nil, err
			}
		case '4':
			p, err := parsePacket(frame[1:])
			if err != nil {
				return nil, nil, err
			}
			attachments, err := c.readAttachments(p.attachments)
			if err != nil {
				return nil, nil, err
			}
			if sameNamespace(p.namespace, namespace) {
				return &p, attachments, nil
			}
		case '6': // noop
		default:
			return nil, nil, fmt.Errorf("%w: Engine.IO type %q", errPacket, frame[0])
		}
	}
}

func sameNamespace(a, b string) bool { return cmp.Or(a, "/") == cmp.Or(b, "/") }

// read returns one frame, never an empty one.
func (c *connection) read() (frame []byte, binary bool, err error) {
	timeout := cmp.Or(c.readTimeout, openTimeout)
	if err := c.ws.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return nil, false, err
	}
	c.ws.SetReadLimit(maxFrame)
	kind, frame, err := c.ws.ReadMessage()
	switch {
	case isTimeout(err):
		return nil, false, ErrPingTimeout
	case err != nil:
		return nil, false, fmt.Errorf("connection ended: %w", err)
	case len(frame) == 0:
		return nil, false, fmt.Errorf("%w: empty frame", errPacket)
	}
	return frame, kind == websocket.BinaryMessage, nil
}

func (c *connection) readAttachments(n int) ([][]byte, error) {
	var out [][]byte
	for len(out) < n {
		frame, binary, err := c.read()
		if err != nil {
			return nil, err
		}
		// The server may ping between a packet and its attachments.
		if !binary {
			if string(frame) == "2" {
				if err := c.write(websocket.TextMessage, []byte{'3'}); err != nil {
					return nil, err
				}
				continue
			}
			return nil, fmt.Errorf("%w: attachment missing", errPacket)
		}
		out = append(out, frame)
	}
	return out, nil
}

func (c *connection) open(data []byte) error {
	var o struct {
		SID                       string
		PingInterval, PingTimeout int64
	}
	if err := json.Unmarshal(data, &o); err != nil || o.SID == "" || o.PingInterval <= 0 || o.PingTimeout <= 0 {
		return fmt.Errorf("%w: open", errPacket)
	}
	c.readTimeout = time.Duration(o.PingInterval+o.PingTimeout) * time.Millisecond
	return nil
}

func (c *connection) send(p packet) error {
	return c.write(websocket.TextMessage, appendPacket(nil, p))
}

func (c *connection) write(kind int, b []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.ws.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	return c.ws.WriteMessage(kind, b)
}
