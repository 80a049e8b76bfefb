package frame_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"chatbridge/bridge/gateway/frame"

	"github.com/gorilla/websocket"
)

// TestFramesOfARealPeer reads what gorilla/websocket writes, masked and not,
// at the lengths where the header changes.
func TestFramesOfARealPeer(t *testing.T) {
	for _, client := range []bool{true, false} {
		for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536} {
			payload := strings.Repeat("x", n)
			wire := written(t, client, payload)
			r := bufio.NewReaderSize(bytes.NewReader(append(wire, 0xff)), 16)
			f, err := frame.Read(r, 1<<20)
			if err != nil || !f.IsText() || string(f.Payload) != payload || !bytes.Equal(f.Raw, wire) {
				t.Fatalf("client %v, %d bytes: %d of payload, text %v, error %v", client, n, len(f.Payload), f.IsText(), err)
			}
			if b, _ := r.ReadByte(); b != 0xff {
				t.Fatalf("%d bytes: read past the frame", n)
			}
			var c frame.Counter
			if head := len(wire) - n; c.Count(wire[:head-1]) != 0 || c.Count(wire[head-1:]) != 1 || c.Count(wire) != 1 {
				t.Fatalf("%d bytes: not counted once", n)
			}
			if !client {
				if mine := frame.AppendText(nil, []byte(payload)); !bytes.Equal(mine, wire) {
					t.Fatalf("%d bytes: AppendText differs from the peer's frame", n)
				}
			}
		}
	}
}

// written is one text frame as gorilla/websocket writes it.
func written(t *testing.T, client bool, payload string) []byte {
	t.Helper()
	upgrader := websocket.Upgrader{WriteBufferSize: 1 << 17}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		if _, p, err := conn.ReadMessage(); err == nil { // an echo
			_ = conn.WriteMessage(websocket.TextMessage, p)
		}
	}))
	defer server.Close()
	var wire recorder
	dialer := websocket.Dialer{WriteBufferSize: 1 << 17, NetDial: func(network, addr string) (net.Conn, error) {
		conn, err := net.Dial(network, addr)
		wire.Conn = conn
		return &wire, err
	}}
	conn, _, err := dialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	wire.sent.Reset()
	wire.got.Reset()
	if err := conn.WriteMessage(websocket.TextMessage, []byte(payload)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.ReadMessage(); err != nil {
		t.Fatal(err)
	}
	if client {
		return wire.sent.Bytes()
	}
	return wire.got.Bytes()
}

// recorder keeps what passes a connection.
type recorder struct {
	net.Conn
	sent, got bytes.Buffer
}

func (r *recorder) Write(p []byte) (int, error) {
	r.sent.Write(p)
	return r.Conn.Write(p)
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.got.Write(p[:n])
	return n, err
}

func TestLargeFrameIsLeftUnread(t *testing.T) {
	wire := frame.AppendText(nil, make([]byte, 1000))
	r := bufio.NewReader(bytes.NewReader(wire))
	if _, err := frame.Read(r, 999); !errors.Is(err, frame.ErrTooLarge) {
		t.Fatalf("error %v", err)
	}
	if rest, _ := io.ReadAll(r); !bytes.Equal(rest, wire) {
		t.Fatal("bytes of the frame are gone")
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{0x81, 0x02, 'h', 'i'})
	f.Add([]byte{0x81, 0x82, 1, 2, 3, 4, 'h', 'i'})
	f.Add([]byte{0x01, 0x7e, 0x00})
	f.Add([]byte{0x82, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bufio.NewReaderSize(bytes.NewReader(data), 16)
		var all []byte
		frames := 0
		for {
			got, err := frame.Read(r, 4096)
			if err != nil {
				break
			}
			if len(got.Payload) > len(got.Raw) {
				t.Fatalf("payload of %d in a frame of %d", len(got.Payload), len(got.Raw))
			}
			all = append(all, got.Raw...)
			frames++
		}
		// Counted in pieces, these bytes have as many frames.
		for size := 1; size <= 7; size++ {
			var c frame.Counter
			counted := 0
			for piece := range slices.Chunk(all, size) {
				counted += c.Count(piece)
			}
			if counted != frames {
				t.Fatalf("%d frames are counted in pieces of %d bytes, want %d", counted, size, frames)
			}
		}
		rest, _ := io.ReadAll(r)
		if len(all)+len(rest) > len(data) || !bytes.HasPrefix(data, all) {
			t.Fatal("the frames are not what was read")
		}
	})
}
