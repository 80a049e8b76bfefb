package stress_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// attacks are what hostile clients do, so many times each. They return when the
// server has ended them; an error is only what should not have worked.
var attacks = []struct {
	name  string
	times int
	run   func(ctx context.Context, s *server) error
}{
	{"malformed packets", 20, malformedPackets},
	{"malformed frames", 20, malformedFrames},
	{"random bytes", 20, randomBytes},
	{"oversized message", 20, oversized},
	{"oversized frame header", 20, hugeHeader},
	{"deep nesting", 20, deepNesting},
	{"attachments announced", 20, attachments},
	{"packet flood", 20, flood},
	{"ping flood", 20, pingFlood},
	{"room flood", 20, roomFlood},
	{"slow reader", 2, slowReader},
	{"half-open", 1, halfOpen},
	{"never connects", 2, neverConnects},
	{"slow request", 1, slowRequest},
	{"slow body", 1, slowBody},
	{"endless body", 5, endlessBody},
	{"poll storm", 5, pollStorm},
	{"upgrade storm", 5, upgradeStorm},
}

// ended reads until the server ends the connection, and answers nothing.
func ended(c *websocket.Conn) error {
	for {
		if _, _, err := c.ReadMessage(); err != nil {
			if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
				return fmt.Errorf("connection is still open: %w", err)
			}
			return nil
		}
	}
}

// with gives a connected client to f, and waits for its end.
func with(ctx context.Context, s *server, f func(c *websocket.Conn)) error {
	c, err := dial(ctx, s, webSocket)
	if err != nil {
		return nil // cut off already
	}
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	defer c.Close()
	if write(c, "40") != nil || await(c, "40{") != nil {
		return nil
	}
	f(c)
	return ended(c)
}

func pick[T any](v []T) T { return v[rand.IntN(len(v))] }

func malformedPackets(ctx context.Context, s *server) error {
	packets := []string{
		"", "4", "49", "4abc", "42", "42{}", `42["a"`, `42[{}]`, "42\x00", "abc", "9", "\x1e", `431[]x`,
		`451-["a",{"_placeholder":true,"num":7}]`, `44"x"`, "4\xff\xfe", `40{"pid":1`,
	}
	return with(ctx, s, func(c *websocket.Conn) { _ = write(c, pick(packets)) })
}

// malformedFrames breaks RFC 6455: reserved bits and opcodes, no mask,
// fragmented control frames, continuations of nothing, invalid UTF-8.
func malformedFrames(ctx context.Context, s *server) error {
	frames := [][]byte{
		{0xf1, 0x80, 0, 0, 0, 0},
		{0x83, 0x80, 0, 0, 0, 0},
		{0x81, 0x01, 'x'},
		{0x09, 0x80, 0, 0, 0, 0},
		{0x80, 0x80, 0, 0, 0, 0},
		{0x89, 0xfe, 0, 0, 0, 0, 0, 0},
		{0x88, 0x81, 0, 0, 0, 0, 3},
		{0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28},
	}
	return with(ctx, s, func(c *websocket.Conn) { _, _ = c.NetConn().Write(pick(frames)) })
}

func randomBytes(ctx context.Context, s *server) error {
	return with(ctx, s, func(c *websocket.Conn) {
		b := make([]byte, 1+rand.IntN(500))
		for i := range b {
			b[i] = byte(rand.Uint32())
		}
		b[0] |= 0x70 // reserved bits, so that the server need not wait for more
		_, _ = c.NetConn().Write(b)
	})
}

func oversized(ctx context.Context, s *server) error {
	return with(ctx, s, func(c *websocket.Conn) { _ = write(c, `42["x","`+strings.Repeat("x", 20_000)+`"]`) })
}

// hugeHeader announces more than there is memory for.
func hugeHeader(ctx context.Context, s *server) error {
	return with(ctx, s, func(c *websocket.Conn) {
		frame := binary.BigEndian.AppendUint64([]byte{0x81, 0xff}, 1<<62)
		_, _ = c.NetConn().Write(append(frame, 0, 0, 0, 0))
	})
}

// deepNesting costs a recursive parser its stack.
func deepNesting(ctx context.Context, s *server) error {
	return with(ctx, s, func(c *websocket.Conn) { _ = write(c, `42["x",`+strings.Repeat("[", 19_000)) })
}

func attachments(ctx context.Context, s *server) error {
	return with(ctx, s, func(c *websocket.Conn) { _ = write(c, `45999999999999-["x"]`) })
}

func flood(ctx context.Context, s *server) error {
	return with(ctx, s, func(c *websocket.Conn) {
		for range 1000 {
			if write(c, `42["x"]`) != nil {
				return
			}
		}
	})
}

func pingFlood(ctx context.Context, s *server) error {
	return with(ctx, s, func(c *websocket.Conn) {
		for range 1000 {
			if c.WriteControl(websocket.PingMessage, []byte("x"), time.Now().Add(time.Second)) != nil {
				return
			}
		}
	})
}

func roomFlood(ctx context.Context, s *server) error {
	return with(ctx, s, func(c *websocket.Conn) {
		for i := range 50 {
			if write(c, fmt.Sprintf(`42["join","room %d"]`, i)) != nil {
				return
			}
		}
	})
}

// slowReader joins the room and reads nothing of what it is sent, until the
// server has enough. Pongs it sends, so that it is not the heartbeat.
func slowReader(ctx context.Context, s *server) error {
	d := websocket.Dialer{NetDialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil {
			err = c.(*net.TCPConn).SetReadBuffer(4096)
		}
		return c, err
	}}
	c, resp, err := d.DialContext(ctx, "ws://"+s.addr()+webSocket, nil)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	defer c.Close()
	if write(c, "40") != nil {
		return nil
	}
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if write(c, "3") != nil {
				return nil
			}
		}
	}
}

// halfOpen says nothing more, and does not end the connection either.
func halfOpen(ctx context.Context, s *server) error {
	return with(ctx, s, func(*websocket.Conn) {})
}

// neverConnects answers the heartbeat and joins no namespace.
func neverConnects(ctx context.Context, s *server) error {
	c, err := dial(ctx, s, webSocket)
	if err != nil {
		return nil
	}
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	defer c.Close()
	for {
		if err := await(c, "2"); err != nil {
			return nil
		}
	}
}

// raw opens a TCP connection that ends with ctx.
func raw(ctx context.Context, s *server) (c net.Conn, end func(), err error) {
	c, err = new(net.Dialer).DialContext(ctx, "tcp", s.addr())
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	return c, func() { stop(); _ = c.Close() }, nil
}

// slowRequest never finishes its request's head.
func slowRequest(ctx context.Context, s *server) error {
	c, end, err := raw(ctx, s)
	if err != nil {
		return nil
	}
	defer end()
	_, _ = io.WriteString(c, "GET "+polling+" HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	_, _ = io.Copy(io.Discard, c) // until the server ends it
	return nil
}

// slowBody opens a polling session and posts a byte at a time.
func slowBody(ctx context.Context, s *server) error {
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	url, err := openPolling(ctx, client, s)
	if err != nil {
		return nil
	}
	c, end, err := raw(ctx, s)
	if err != nil {
		return nil
	}
	defer end()
	fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 19000\r\n\r\n4", strings.TrimPrefix(url, s.url))
	go func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			if _, err := c.Write([]byte("x")); err != nil {
				return
			}
		}
	}()
	answer, err := bufio.NewReader(c).ReadString('\n')
	if err == nil && strings.Contains(answer, " 200 ") {
		return fmt.Errorf("a body that was not finished got %q", answer)
	}
	return nil
}

// endlessBody posts more than is allowed, without a length.
func endlessBody(ctx context.Context, s *server) error {
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	url, err := openPolling(ctx, client, s)
	if err != nil {
		return nil
	}
	c, end, err := raw(ctx, s)
	if err != nil {
		return nil
	}
	defer end()
	fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", strings.TrimPrefix(url, s.url))
	for range 16 << 10 { // the kernel's buffers take some of it
		if _, err := io.WriteString(c, "1000\r\n"+strings.Repeat("x", 4096)+"\r\n"); err != nil {
			return nil
		}
	}
	return fmt.Errorf("the server took 64 MB")
}

// pollStorm polls one session many times at once.
func pollStorm(ctx context.Context, s *server) error {
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	url, err := openPolling(ctx, client, s)
	if err != nil {
		return nil
	}
	done := make(chan struct{}, 10)
	for range cap(done) {
		go func() {
			_, _, _ = request(ctx, client, "GET", url, "")
			done <- struct{}{}
		}()
	}
	for range cap(done) {
		<-done
	}
	return nil
}

// upgradeStorm tries many upgrades of one session at once, and finishes none.
func upgradeStorm(ctx context.Context, s *server) error {
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	url, err := openPolling(ctx, client, s)
	if err != nil {
		return nil
	}
	_, sid, _ := strings.Cut(url, "&sid=")
	for range 5 {
		c, err := dial(ctx, s, webSocket+"&sid="+sid)
		if err != nil {
			continue
		}
		defer c.Close()
		_ = write(c, pick([]string{"2probe", "5", "4x", ""}))
	}
	return nil
}
