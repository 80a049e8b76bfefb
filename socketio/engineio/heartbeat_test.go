package engineio_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"chatbridge/socketio/engineio"
	"chatbridge/socketio/internal/rawclient"
)

// pipeListener is a listener whose connections are pipes, so that a server and its
// clients run on a test's own clock.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, errors.New("listener closed")
	}
}
func (l *pipeListener) Close() error   { close(l.done); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

func (l *pipeListener) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	l.conns <- server
	return client, nil
}

// inBubble runs f with a server of 300 ms ping interval and 200 ms time-out, on a
// clock of its own: what is measured there is exact.
func inBubble(t *testing.T, f func(t *testing.T, a *app, l *pipeListener)) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp()
		o := engineio.DefaultOptions()
		o.PingInterval, o.PingTimeout = 300*time.Millisecond, 200*time.Millisecond
		s, err := engineio.NewServer(o, a)
		if err != nil {
			t.Fatal(err)
		}
		l := &pipeListener{make(chan net.Conn), make(chan struct{})}
		web := &http.Server{Handler: s}
		served := make(chan struct{})
		go func() { defer close(served); _ = web.Serve(l) }()
		defer func() { // also when f fails, or the bubble cannot end
			_ = s.Shutdown(context.WithoutCancel(t.Context()), 0, 0)
			_ = web.Close()
			<-served
		}()
		f(t, a, l)
	})
}

func dialPipe(t *testing.T, l *pipeListener) *rawclient.WS {
	t.Helper()
	d := websocket.Dialer{NetDialContext: l.dial}
	conn, _, err := d.Dial("ws://pipe/"+ws, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := rawclient.Wrap(t, conn)
	c.WantPrefix("0{")
	return c
}

// since fails unless d has passed, and no more than the step in which pings leave.
func wantElapsed(t *testing.T, began time.Time, want time.Duration) {
	t.Helper()
	if got := time.Since(began); got < want || got > want+time.Millisecond {
		t.Errorf("after %v, want %v", got, want)
	}
}

func TestHeartbeatWebSocket(t *testing.T) {
	inBubble(t, func(t *testing.T, a *app, l *pipeListener) {
		began := time.Now()
		c := dialPipe(t, l)
		for range 3 {
			c.Want("2")
			wantElapsed(t, began, 300*time.Millisecond)
			time.Sleep(50 * time.Millisecond)
			began = time.Now()
			c.Send("3") // the next ping is counted from here
		}
		c.WantClosed()
		wantElapsed(t, began, 500*time.Millisecond)
		a.wantClosed(t, engineio.PingTimeout)
	})
}

// A client that sends other packets in time is alive, though its pong is late.
func TestPongBehindOtherPackets(t *testing.T) {
	inBubble(t, func(t *testing.T, a *app, l *pipeListener) {
		began := time.Now()
		a.silent = true
		c := dialPipe(t, l)
		c.Want("2")
		time.Sleep(150 * time.Millisecond)
		c.Send("4busy")
		c.WantClosed()
		wantElapsed(t, began, 650*time.Millisecond)
		a.wantClosed(t, engineio.PingTimeout)
	})
}

// httpClient returns a client over pipes and a function that does a request.
func request(t *testing.T, l *pipeListener, method, query, body string) (int, string) {
	t.Helper()
	transport := &http.Transport{DialContext: l.dial, DisableKeepAlives: true}
	req, err := http.NewRequestWithContext(t.Context(), method, "http://pipe/"+query, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var b bytes.Buffer
	_, _ = b.ReadFrom(resp.Body)
	return resp.StatusCode, b.String()
}

func TestHeartbeatPolling(t *testing.T) {
	inBubble(t, func(t *testing.T, a *app, l *pipeListener) {
		began := time.Now()
		_, open := request(t, l, "GET", "?EIO=4&transport=polling", "")
		query := "?EIO=4&transport=polling&sid=" + rawclient.SID(t, open)
		for range 3 {
			if _, body := request(t, l, "GET", query, ""); body != "2" {
				t.Fatalf("polled %q, want 2", body)
			}
			wantElapsed(t, began, 300*time.Millisecond)
			began = time.Now()
			request(t, l, "POST", query, "3")
		}
	})
}

// A ping that was fetched late leaves the client the full time for its pong.
func TestPingFetchedLate(t *testing.T) {
	inBubble(t, func(t *testing.T, a *app, l *pipeListener) {
		_, open := request(t, l, "GET", "?EIO=4&transport=polling", "")
		query := "?EIO=4&transport=polling&sid=" + rawclient.SID(t, open)
		time.Sleep(499 * time.Millisecond)
		if _, body := request(t, l, "GET", query, ""); body != "2" {
			t.Fatalf("polled %q, want 2", body)
		}
		time.Sleep(199 * time.Millisecond)
		if status, _ := request(t, l, "POST", query, "3"); status != 200 {
			t.Error("the session was closed before its time")
		}
	})
}

// A ping does not wait behind messages, which may take a slow client longer than it
// waits for one.
func TestPingBeforeWhatWaits(t *testing.T) {
	inBubble(t, func(t *testing.T, a *app, l *pipeListener) {
		_, open := request(t, l, "GET", "?EIO=4&transport=polling", "")
		query := "?EIO=4&transport=polling&sid=" + rawclient.SID(t, open)
		session := a.next(t)
		session.Send(engineio.NewMessage([]byte("one")))
		session.Send(engineio.NewMessage([]byte("two")))
		time.Sleep(300 * time.Millisecond)
		synctest.Wait()
		if _, body := request(t, l, "GET", query, ""); body != "2\x1e4one\x1e4two" {
			t.Errorf("polled %q", body)
		}
	})
}

// Exactly at the deadline the session is gone, though its timer may not have run.
func TestPingTimeoutPolling(t *testing.T) {
	inBubble(t, func(t *testing.T, a *app, l *pipeListener) {
		_, open := request(t, l, "GET", "?EIO=4&transport=polling", "")
		query := "?EIO=4&transport=polling&sid=" + rawclient.SID(t, open)
		time.Sleep(500 * time.Millisecond)
		if status, body := request(t, l, "GET", query, ""); status != 400 {
			t.Errorf("polled %d %q, want 400", status, body)
		}
		a.wantClosed(t, engineio.PingTimeout)
	})
}

// An upgrade that is not finished in time leaves the polling session alone.
func TestUpgradeTimeout(t *testing.T) {
	inBubble(t, func(t *testing.T, a *app, l *pipeListener) {
		_, open := request(t, l, "GET", "?EIO=4&transport=polling", "")
		sid := "&sid=" + rawclient.SID(t, open)
		stop := make(chan struct{})
		go func() { // pongs, for the session to live on
			for {
				select {
				case <-stop:
					return
				case <-time.After(100 * time.Millisecond):
					request(t, l, "POST", "?EIO=4&transport=polling"+sid, "3")
				}
			}
		}()
		d := websocket.Dialer{NetDialContext: l.dial}
		began := time.Now()
		conn, _, err := d.Dial("ws://pipe/"+ws+sid, nil)
		if err != nil {
			t.Fatal(err)
		}
		c := rawclient.Wrap(t, conn)
		c.Send("2probe")
		c.Want("3probe")
		_ = c.Conn.SetReadDeadline(time.Now().Add(time.Minute))
		if _, _, err := c.Conn.ReadMessage(); !websocket.IsCloseError(err, 1005) {
			t.Errorf("got %v, want a close frame", err)
		}
		wantElapsed(t, began, 10*time.Second)
		close(stop)
		synctest.Wait()
		request(t, l, "POST", "?EIO=4&transport=polling"+sid, "4polling")
		if _, body := request(t, l, "GET", "?EIO=4&transport=polling"+sid, ""); body != "4polling" {
			t.Errorf("polled %q", body)
		}
	})
}
