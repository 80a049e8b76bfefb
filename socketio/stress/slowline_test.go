package stress_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"chatbridge/internal/baseline"
	"chatbridge/socketio"
)

// slowConn reads 50 kB a second until it is let go.
type slowConn struct {
	net.Conn
	fast *atomic.Bool
}

func (c slowConn) Read(p []byte) (int, error) {
	if !c.fast.Load() {
		time.Sleep(50 * time.Millisecond) // the line
		p = p[:min(len(p), 2500)]
	}
	return c.Conn.Read(p)
}

// TestSlowLine: a client that reads 50 kB a second keeps its connection during a large
// catch-up and a large event, though both timeouts pass several times, and then gets
// all of it, in order. One that reads nothing is closed.
func TestSlowLine(t *testing.T) {
	before := baseline.Take(t)
	t.Run("lines", slowLines) // which run beside each other, and nothing beside them
	before.Await(t)
}

func slowLines(t *testing.T) {
	const events = 1500
	for name, size := range map[string]struct{ first, rest int }{
		"catch-up": {8 << 10, 8 << 10}, "large event": {8 << 20, 100},
	} {
		for transport, receive := range map[string]func(context.Context, *server, *atomic.Bool, *atomic.Int64) error{
			"websocket": slowWebSocket, "polling": slowPolling,
		} {
			t.Run(name+" "+transport, func(t *testing.T) {
				t.Parallel()
				o := socketio.DefaultOptions()
				// What the kernels of both sides have takes longer than each.
				o.WriteTimeout = 3 * time.Second
				o.PingInterval, o.PingTimeout = 2*time.Second, 3*time.Second
				s := start(t, o)
				var fast atomic.Bool
				var got atomic.Int64
				ctx, cancel := context.WithTimeout(t.Context(), 2*waitLimit)
				defer cancel()
				var client sync.WaitGroup
				defer client.Wait()
				failed := make(chan error, 1)
				client.Go(func() { failed <- receive(ctx, s, &fast, &got) })
				eventually(t, "the client connects", func() bool { return s.ns.Len() == 1 })
				for socket := range s.ns.Sockets() {
					client.Go(func() {
						for i := range events {
							n := size.rest
							if i == 0 {
								n = size.first
							}
							text := []byte(`"` + strings.Repeat("x", n) + `"`)
							_ = socket.SendPaced(ctx, socketio.NewEvent("/", "n", []byte(strconv.Itoa(i)), text)) // the client tells if it is closed
						}
					})
				}
				select {
				case err := <-failed:
					t.Fatalf("the client ended after %d events: %v; closed: %v", got.Load(), err, closes(s))
				case <-time.After(4 * o.WriteTimeout):
				}
				fast.Store(true)
				eventually(t, "all events come", func() bool { return got.Load() == events || len(failed) > 0 })
				cancel()
				if err := <-failed; got.Load() != events {
					t.Errorf("the client had %d events: %v; closed: %v", got.Load(), err, closes(s))
				}
			})
		}
	}
}

// closes is why sessions were closed.
func closes(s *server) string {
	var b strings.Builder
	for i, n := range s.Stats().Closes {
		if n > 0 {
			fmt.Fprintf(&b, "%v %d ", socketio.Reason(i), n)
		}
	}
	return b.String()
}

// slowDial dials connections that are slow. Their segments and buffers are those of a
// line, or the server would hear of what was read every few seconds only: loopback has
// segments of 64 kB.
func slowDial(fast *atomic.Bool) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		d := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
			var err error
			return errors.Join(raw.Control(func(fd uintptr) {
				err = errors.Join(syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, 1400),
					syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 16<<10))
			}), err)
		}}
		c, err := d.DialContext(ctx, network, addr)
		return slowConn{c, fast}, err
	}
}

// slowWebSocket reads as fast as its line is until ctx ends, and counts the events,
// which must come in order.
func slowWebSocket(ctx context.Context, s *server, fast *atomic.Bool, got *atomic.Int64) error {
	d := websocket.Dialer{NetDialContext: slowDial(fast)}
	c, resp, err := d.DialContext(ctx, "ws://"+s.addr()+webSocket, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	if err := write(c, "40"); err != nil {
		return err
	}
	for {
		_, b, err := c.ReadMessage()
		if err != nil {
			return err
		}
		if string(b) == "2" {
			err = write(c, "3")
		} else {
			err = take(string(b), got)
		}
		if err != nil {
			return err
		}
	}
}

// slowPolling is the same by polling.
func slowPolling(ctx context.Context, s *server, fast *atomic.Bool, got *atomic.Int64) error {
	c := &http.Client{Transport: &http.Transport{DialContext: slowDial(fast)}}
	defer c.CloseIdleConnections()
	url, err := openPolling(ctx, c, s)
	if err != nil {
		return err
	}
	for {
		status, body, err := request(ctx, c, "GET", url, "")
		if err != nil || status != 200 {
			return fmt.Errorf("poll: %d %.50s: %w", status, body, err)
		}
		for packet := range strings.SplitSeq(body, "\x1e") {
			if packet == "2" {
				status, _, err = request(ctx, c, "POST", url, "3")
				if err != nil || status != 200 {
					err = fmt.Errorf("pong: %d: %w", status, err)
				}
			} else {
				err = take(packet, got)
			}
			if err != nil {
				return err
			}
		}
	}
}

// TestReaderOfNothing is closed after WriteTimeout, on both transports.
func TestReaderOfNothing(t *testing.T) {
	o := socketio.DefaultOptions()
	o.WriteTimeout, o.PingTimeout = 500*time.Millisecond, time.Minute
	s := start(t, o)
	before := s.before(t)
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	text := []byte(`"` + strings.Repeat("x", 15<<20) + `"`)

	c, err := dial(ctx, s, webSocket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := write(c, "40"); err != nil {
		t.Fatal(err)
	}
	if err := await(c, "40{"); err != nil {
		t.Fatal(err)
	}
	s.ns.Broadcast(socketio.NewEvent("/", "n", text), "all")
	eventually(t, "the WebSocket is closed", func() bool { return s.Len() == 0 })
	if n := s.Stats().Closes[writeTimeout]; n != 1 {
		t.Errorf("closed: %v", closes(s))
	}

	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	url, err := openPolling(ctx, client, s)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := request(ctx, client, "GET", url, ""); err != nil { // the answer to the CONNECT
		t.Fatal(err)
	}
	s.ns.Broadcast(socketio.NewEvent("/", "n", text), "all")
	poll, end, err := raw(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	fmt.Fprintf(poll, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", strings.TrimPrefix(url, s.url))
	eventually(t, "the polling session is closed", func() bool { return s.Len() == 0 })
	if n := s.Stats().Closes[transportError]; n != 1 {
		t.Errorf("closed: %v", closes(s))
	}
	_ = c.Close()
	client.CloseIdleConnections()
	end()
	before.Await(t)
}
