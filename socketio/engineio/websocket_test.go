package engineio_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"chatbridge/socketio/engineio"
	"chatbridge/socketio/internal/rawclient"
)

func TestWebSocketMessages(t *testing.T) {
	s, url := serve(t, newApp(), nil)
	c := dial(t, url)
	c.Send("4hello", "4", "4é✓", "bAQIDBA==")
	c.Want("4hello", "4", "4é✓", "binary:\x01\x02\x03\x04")
	c.SendBinary([]byte{1, 2, 3})
	c.Want("binary:\x01\x02\x03")
	for _, n := range []int{125, 126, 1 << 10, 65_535, 65_536, 999_999} {
		m := "4" + strings.Repeat("x", n-1)
		c.Send(m)
		c.Want(m)
	}
	st := s.Stats()
	if st.WebSocket != 1 || st.Polling != 0 || st.Connects != 1 || st.PacketsIn != 11 {
		t.Errorf("stats %+v", st)
	}
}

// A message and its attachments arrive together, in order, between the others.
func TestAttachmentsStayTogether(t *testing.T) {
	a := newApp()
	_, url := serve(t, a, nil)
	c := dial(t, url)
	session := a.next(t)
	for range 3 {
		session.Send(engineio.NewMessage([]byte("a"), []byte("1"), []byte("2")))
		session.Send(engineio.NewMessage(nil, []byte("3")))
	}
	for range 3 {
		c.Want("4a", "binary:1", "binary:2", "binary:3")
	}
}

// Rounds of the writer that come without end are a millisecond apart, but for
// some that it has saved up: time in which messages gather.
func TestRoundsAreEarned(t *testing.T) {
	a := newApp()
	s, url := serve(t, a, nil)
	c := dial(t, url)
	session := a.next(t)
	const rounds = 60
	before, began := s.Stats().Writes, time.Now()
	for range rounds {
		session.Send(engineio.NewMessage([]byte("a")))
		c.Want("4a")
	}
	took, writes := time.Since(began), s.Stats().Writes-before
	if writes > uint64(took/time.Millisecond)+10 {
		t.Errorf("%d writes in %v", writes, took)
	}
}

func TestWebSocketBadInput(t *testing.T) {
	for name, test := range map[string]struct {
		send   func(c *rawclient.WS)
		reason engineio.Reason
		code   int
	}{
		"unknown type":     {func(c *rawclient.WS) { c.Send("abc") }, engineio.ParseError, 1005},
		"empty text":       {func(c *rawclient.WS) { c.Send("") }, engineio.ParseError, 1005},
		"bad base64":       {func(c *rawclient.WS) { c.Send("b***") }, engineio.ParseError, 1005},
		"not UTF-8":        {func(c *rawclient.WS) { c.Send("4\xff") }, engineio.ParseError, 1005},
		"client's ping":    {func(c *rawclient.WS) { c.Send("2") }, engineio.TransportError, 1005},
		"close packet":     {func(c *rawclient.WS) { c.Send("1") }, engineio.ClientClose, 1005},
		"too big":          {func(c *rawclient.WS) { c.Send("4" + strings.Repeat("x", 1000)) }, engineio.PayloadTooBig, 1009},
		"not masked":       {func(c *rawclient.WS) { raw(c, 0x81, 0x01, '4') }, engineio.ParseError, 1005},
		"reserved bits":    {func(c *rawclient.WS) { raw(c, 0xf1, 0x81, 0, 0, 0, 0, '4') }, engineio.ParseError, 1005},
		"unknown opcode":   {func(c *rawclient.WS) { raw(c, 0x83, 0x81, 0, 0, 0, 0, '4') }, engineio.ParseError, 1005},
		"lone continuance": {func(c *rawclient.WS) { raw(c, 0x80, 0x81, 0, 0, 0, 0, '4') }, engineio.ParseError, 1005},
		"huge length": {func(c *rawclient.WS) {
			raw(c, binary.BigEndian.AppendUint64([]byte{0x82, 0xff}, 1<<62)...)
			raw(c, 0, 0, 0, 0)
		}, engineio.PayloadTooBig, 1009},
		"close frame": {func(c *rawclient.WS) { closeWith(c, 1000) }, engineio.ClientClose, 1005},
		"going away":  {func(c *rawclient.WS) { closeWith(c, 1001) }, engineio.ClientClose, 1005},
		"hang up":     {func(c *rawclient.WS) { _ = c.Conn.NetConn().(*net.TCPConn).CloseWrite() }, engineio.TransportClose, 1005},
		"hang up inside a frame": {func(c *rawclient.WS) {
			raw(c, 0x81, 0xff)
			_ = c.Conn.NetConn().(*net.TCPConn).CloseWrite()
		}, engineio.TransportClose, 1005},
	} {
		t.Run(name, func(t *testing.T) {
			a := newApp()
			s, url := serve(t, a, func(o *engineio.Options) { o.MaxPayload = 1000 })
			other := dial(t, url)
			c := dial(t, url)
			test.send(c)
			if code := c.WantClosed(); code != test.code {
				t.Errorf("close code %d, want %d", code, test.code)
			}
			a.wantClosed(t, test.reason)
			if n := s.Stats().Closes[test.reason]; n != 1 {
				t.Errorf("%d closes counted as %v, want 1", n, test.reason)
			}
			other.Send("4still here")
			other.Want("4still here")
		})
	}
}

// raw sends bytes past the WebSocket library.
func raw(c *rawclient.WS, b ...byte) { _, _ = c.Conn.NetConn().Write(b) }

func closeWith(c *rawclient.WS, code int) {
	_ = c.Conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, "bye"), time.Now().Add(time.Second))
}

// Some clients send pings of WebSocket itself.
func TestWebSocketPing(t *testing.T) {
	_, url := serve(t, newApp(), nil)
	c := dial(t, url)
	pong := make(chan string, 1)
	c.Conn.SetPongHandler(func(data string) error { pong <- data; return nil })
	_ = c.Conn.WriteControl(websocket.PingMessage, []byte("are you there"), time.Now().Add(time.Second))
	c.Send("4after")
	c.Want("4after")
	if got := <-pong; got != "are you there" {
		t.Errorf("pong %q", got)
	}
}

func TestServerClosesWebSocket(t *testing.T) {
	a := newApp()
	_, url := serve(t, a, nil)
	c := dial(t, url)
	session := a.next(t)
	for range 100 {
		session.Send(engineio.NewMessage([]byte("last words")))
	}
	session.Close(engineio.Shed)
	session.Close(engineio.ServerClose) // no-op
	for range 100 {
		c.Want("4last words")
	}
	c.WantClosed()
	a.wantClosed(t, engineio.Shed)
	<-session.Done()
}

// A client may answer the close frame before the server has counted the write: it
// gets no second one, for which a browser reports an error.
func TestOneCloseFrame(t *testing.T) {
	a := newApp()
	_, url := serve(t, a, nil)
	for i := range 300 {
		conn := dial(t, url).Conn.NetConn()
		a.next(t).Close(engineio.ServerClose)
		_ = conn.SetReadDeadline(time.Now().Add(rawclient.Timeout))
		var frame [2]byte
		if _, err := io.ReadFull(conn, frame[:]); err != nil || frame != [2]byte{0x88, 0} {
			t.Fatalf("client %d got %x, %v; want a close frame", i, frame, err)
		}
		_, _ = conn.Write([]byte{0x88, 0x80, 0, 0, 0, 0})
		if after, err := io.ReadAll(conn); len(after) > 0 || err != nil {
			t.Fatalf("client %d got %x, %v after the close frame; want the connection's end", i, after, err)
		}
		a.wantClosed(t, engineio.ServerClose)
	}
}

// TestShedServesWhatComes: a client that is shed sees the end of the connection, no close
// frame, after which its WebSocket would drop what it sends; and what it sent before it saw
// that is served.
func TestShedServesWhatComes(t *testing.T) {
	a := newApp()
	a.heard = make(chan string, 1)
	_, url := serve(t, a, nil)
	c := dial(t, url)
	session := a.next(t)
	session.Send(engineio.NewMessage([]byte("before")))
	session.Close(engineio.Shed)
	c.Want("4before")
	if rest, err := io.ReadAll(c.Conn.NetConn()); len(rest) > 0 || err != nil {
		t.Fatalf("got %x, %v; want the end alone", rest, err)
	}
	c.Send("4late")
	select {
	case got := <-a.heard:
		if got != "late" {
			t.Errorf("heard %q", got)
		}
	case <-time.After(rawclient.Timeout):
		t.Fatal("what came late was not served")
	}
	_ = c.Conn.NetConn().(*net.TCPConn).CloseWrite()
	a.wantClosed(t, engineio.Shed)
}

// A client that does not end its side is not waited for for ever.
func TestShedOfASilentClient(t *testing.T) {
	a := newApp()
	_, url := serve(t, a, nil)
	dial(t, url)
	a.next(t).Close(engineio.Shed)
	a.wantClosed(t, engineio.Shed)
}

// serveTLS is a server behind TLS, upon a listener of NewTLSListener's kind or another one,
// where there is no file descriptor to write to. dial returns a client and its session.
func serveTLS(t *testing.T, o engineio.Options, ours bool) (s *engineio.Server, dial func() (*rawclient.WS, *engineio.Session)) {
	t.Helper()
	a := newApp()
	s, err := engineio.NewServer(o, a)
	if err != nil {
		t.Fatal(err)
	}
	certified := httptest.NewTLSServer(nil)
	certified.Close()
	upon := tls.NewListener
	if ours {
		upon = engineio.NewTLSListener
	}
	web := httptest.NewUnstartedServer(s)
	web.Listener = upon(web.Listener, certified.TLS)
	web.Start()
	t.Cleanup(web.Close)
	t.Cleanup(func() { _ = s.Shutdown(context.Background(), 0, 0) })
	d := websocket.Dialer{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	return s, func() (*rawclient.WS, *engineio.Session) {
		conn, _, err := d.Dial("wss"+strings.TrimPrefix(web.URL, "http")+ws, nil)
		if err != nil {
			t.Fatal(err)
		}
		c := rawclient.Wrap(t, conn)
		c.WantPrefix("0{")
		return c, a.next(t)
	}
}

func TestTLS(t *testing.T) {
	for _, ours := range []bool{true, false} {
		_, dial := serveTLS(t, engineio.DefaultOptions(), ours)
		c, session := dial()
		for range 1000 {
			session.Send(engineio.NewMessage([]byte("m")))
		}
		for range 1000 {
			c.Want("4m")
		}
		c.Send("4in")
		c.Want("4in")
	}
}

// A TLS client that does not read holds nobody back, and gets everything in order once it
// does, also if its session is being closed.
func TestSlowTLS(t *testing.T) {
	for _, ours := range []bool{true, false} {
		for _, closing := range []bool{true, false} {
			slowTLS(t, ours, closing)
		}
	}
}

func slowTLS(t *testing.T, ours, closing bool) {
	o := engineio.DefaultOptions()
	o.QueuePackets, o.QueueBytes = 1<<20, 1<<30
	s, dial := serveTLS(t, o, ours)
	slow, slowSession := dial()
	fast, fastSession := dial()
	const messages = 20_000 // more than the kernel's buffers take
	fill := strings.Repeat("x", 700)
	for i := range messages {
		m := engineio.NewMessage(fmt.Appendf(nil, "%d %s", i, fill))
		slowSession.Send(m)
		if i%100 == 0 {
			fastSession.Send(m)
			fast.Want(fmt.Sprintf("4%d %s", i, fill))
		}
	}
	if closing {
		slowSession.Close(engineio.ServerClose)
	}
	for i := range messages {
		slow.Want(fmt.Sprintf("4%d %s", i, fill))
	}
	if closing {
		slow.WantClosed()
	}
	if n, least := s.Stats().BytesOut, uint64(messages*(len(fill)+2)); n < least {
		t.Errorf("%d bytes are said to be written, %d were read", n, least)
	}
}

// A TLS client that does not read is closed at once, and so is its server, whatever waits to
// be written to it.
func TestStuckTLSIsClosed(t *testing.T) {
	for _, ours := range []bool{true, false} {
		o := engineio.DefaultOptions()
		o.QueuePackets, o.QueueBytes = 1<<20, 1<<30
		s, dial := serveTLS(t, o, ours)
		_, stuck := dial()
		for range 20_000 {
			stuck.Send(engineio.NewMessage(make([]byte, 700)))
		}
		for s.Stats().Stalls == 0 && ours { // it is being waited for
			time.Sleep(time.Millisecond)
		}
		stuck.CloseNow(engineio.PingTimeout)
		ended := make(chan struct{})
		go func() { _ = s.Shutdown(context.Background(), 0, 0); close(ended) }()
		select {
		case <-ended:
		case <-time.After(4 * time.Second): // crypto/tls takes five to say goodbye
			t.Errorf("ours %v: the server waits for a client that reads nothing", ours)
			<-ended
		}
	}
}

// A client that sends frames with its handshake, before it has an answer, breaks
// RFC 6455.
func TestFramesBeforeHandshake(t *testing.T) {
	_, url := serve(t, newApp(), nil)
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, "GET /"+ws+" HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n\x81\x82\x00\x00\x00\x0040")
	_ = conn.SetReadDeadline(time.Now().Add(rawclient.Timeout))
	if b, _ := io.ReadAll(conn); strings.Contains(string(b), "101") {
		t.Errorf("answered %q", b)
	}
}
