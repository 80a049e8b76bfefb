package engineio_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"chatbridge/socketio/engineio"
	"chatbridge/socketio/internal/rawclient"
)

// wantRefused fails unless both transports answer a handshake with 503.
func wantRefused(t *testing.T, s *engineio.Server, url string, reason engineio.Reason) {
	t.Helper()
	if _, status, err := rawclient.TryDial(t, url+ws); err == nil || status != 503 {
		t.Errorf("WebSocket: status %d, %v; want 503", status, err)
	}
	r := rawclient.Do(t, "GET", url+"?EIO=4&transport=polling", "")
	if r.Status != 503 || r.Header.Get("Retry-After") == "" {
		t.Errorf("polling: %d %v; want 503 with Retry-After", r.Status, r.Header)
	}
	if n := s.Stats().Refusals[reason]; n != 2 {
		t.Errorf("%d refusals counted as %v, want 2", n, reason)
	}
}

func TestMaxConnections(t *testing.T) {
	a := newApp()
	s, url := serve(t, a, func(o *engineio.Options) { o.MaxConnections = 2 })
	p := rawclient.OpenPolling(t, url)
	dial(t, url)
	wantRefused(t, s, url, engineio.MaxConnections)
	p.WantPost("1")
	a.wantClosed(t, engineio.ClientClose)
	dial(t, url) // there is room again
}

func TestMaxConnectionsPerAddress(t *testing.T) {
	a := newApp()
	s, url := serve(t, a, func(o *engineio.Options) { o.MaxConnectionsPerAddress = 1 })
	p := rawclient.OpenPolling(t, url)
	wantRefused(t, s, url, engineio.MaxConnectionsPerAddress)
	p.WantPost("1")
	a.wantClosed(t, engineio.ClientClose)
	dial(t, url)
}

func TestClientAddress(t *testing.T) {
	s, url := serve(t, newApp(), func(o *engineio.Options) {
		o.MaxConnectionsPerAddress = 1
		o.ClientAddress = func(r *http.Request) netip.Addr { return netip.MustParseAddr(r.Header.Get("X-Real-Ip")) }
	})
	rawclient.Dial(t, url+ws, "X-Real-Ip", "192.0.2.1")
	rawclient.Dial(t, url+ws, "X-Real-Ip", "192.0.2.2")
	if _, status, _ := rawclient.TryDial(t, url+ws, "X-Real-Ip", "192.0.2.1"); status != 503 {
		t.Errorf("status %d, want 503", status)
	}
	if n := s.Stats().Refusals[engineio.MaxConnectionsPerAddress]; n != 1 {
		t.Errorf("%d refusals", n)
	}
}

func TestHandshakeRate(t *testing.T) {
	s, url := serve(t, newApp(), func(o *engineio.Options) { o.HandshakesPerSecond = 1 })
	dial(t, url)
	wantRefused(t, s, url, engineio.HandshakeRate)
}

func TestInboundRate(t *testing.T) {
	for name, flood := range map[string]func(c *rawclient.WS){
		"packets": func(c *rawclient.WS) { c.Send("4x") },
		"pings": func(c *rawclient.WS) {
			_ = c.Conn.WriteControl(9, nil, time.Now().Add(time.Second))
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newApp()
			a.silent = true
			_, url := serve(t, a, func(o *engineio.Options) { o.InboundPacketsPerSecond = 20 })
			other := dial(t, url)
			c := dial(t, url)
			for range 20 { // a burst of a second's worth is fine
				flood(c)
			}
			for range 100 {
				if c.Conn.WriteMessage(1, []byte("4x")) != nil {
					break
				}
			}
			a.wantClosed(t, engineio.RateLimit)
			if code := c.WantClosed(); code != 1008 && code != -1 {
				t.Errorf("close code %d, want 1008", code)
			}
			other.Send("4fine")
		})
	}
}

// stuck opens a connection that reads nothing after its open packet, with little
// room in the kernel.
func stuck(t *testing.T, url string) net.Conn {
	t.Helper()
	c := dial(t, url)
	conn := c.Conn.NetConn()
	_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	return conn
}

// A client that does not read costs itself its connection, and others nothing.
func TestSlowConsumer(t *testing.T) {
	for reason, change := range map[engineio.Reason]func(*engineio.Options){
		engineio.QueuePackets: func(o *engineio.Options) { o.QueuePackets = 50 },
		engineio.QueueBytes:   func(o *engineio.Options) { o.QueueBytes = 1 << 20 },
	} {
		t.Run(reason.String(), func(t *testing.T) {
			a := newApp()
			s, url := serve(t, a, change)
			stuck(t, url)
			slow := a.next(t)
			good := dial(t, url)
			fast := a.next(t)
			m := engineio.NewMessage([]byte(strings.Repeat("x", 64<<10)))
			for i := 0; slow.Send(m); i++ {
				if i > 10_000 {
					t.Fatal("a client that reads nothing was never closed")
				}
				if !fast.Send(m) {
					t.Fatal("a client that reads was closed")
				}
				good.Next()
			}
			a.wantClosed(t, reason)
			if st := s.Stats(); st.Closes[reason] != 1 {
				t.Errorf("stats %+v", st)
			}
			fast.Send(m)
			good.Next()
		})
	}
}

func TestWriteTimeout(t *testing.T) {
	a := newApp()
	s, url := serve(t, a, func(o *engineio.Options) { o.WriteTimeout = 50 * time.Millisecond })
	stuck(t, url)
	session := a.next(t)
	m := engineio.NewMessage([]byte(strings.Repeat("x", 1<<20)))
	for range 7 {
		session.Send(m)
	}
	a.wantClosed(t, engineio.WriteTimeout)
	if n := s.Stats().Stalls; n == 0 {
		t.Error("no stall was counted")
	}
}

// A session that is being closed is bound by the write time-out too.
func TestCloseOfStuckClient(t *testing.T) {
	a := newApp()
	_, url := serve(t, a, func(o *engineio.Options) { o.WriteTimeout = 500 * time.Millisecond })
	stuck(t, url)
	session := a.next(t)
	for range 7 {
		session.Send(engineio.NewMessage([]byte(strings.Repeat("x", 1<<20))))
	}
	session.Close(engineio.Shed)
	a.wantClosed(t, engineio.Shed)
}

// A slow client that reads is not cut off, however much waits for it.
func TestSlowReaderLosesNothing(t *testing.T) {
	a := newApp()
	_, url := serve(t, a, nil)
	c := dial(t, url)
	session := a.next(t)
	const n = 3000
	var sent sync.WaitGroup
	sent.Go(func() {
		for i := range n {
			m := engineio.NewMessage([]byte(strings.Repeat("x", 8*i)))
			if err := session.WaitSpace(t.Context(), m); err != nil || !session.Send(m) {
				t.Errorf("message %d was not taken: %v", i, err)
				return
			}
		}
	})
	for i := range n {
		if got := len(c.Next()); got != 8*i+1 {
			t.Fatalf("message %d has %d bytes", i, got)
		}
	}
	sent.Wait()
}

// A message larger than the whole queue's bound leaves when nothing else waits,
// on both transports, and one that waits for it does not spin.
func TestMessageLargerThanTheQueue(t *testing.T) {
	const bound = 64 << 10
	a := newApp()
	_, url := serve(t, a, func(o *engineio.Options) { o.QueueBytes = bound })
	large := engineio.NewMessage([]byte(strings.Repeat("x", 3*bound)))

	c := dial(t, url)
	session := a.next(t)
	for range 3 {
		if err := session.WaitSpace(t.Context(), large); err != nil || session.Offer(large) != engineio.Queued {
			t.Fatalf("an empty queue does not take a large message: %v", err)
		}
		if got := len(c.Next()); got != 3*bound+1 {
			t.Fatalf("the message came with %d bytes", got)
		}
	}

	p := rawclient.OpenPolling(t, url)
	session = a.next(t)
	session.Send(engineio.NewMessage([]byte("small")))
	if v := session.Offer(large); v != engineio.FullBytes {
		t.Fatalf("a queue that is not empty: %v, want FullBytes", v)
	}
	waited := make(chan error, 1)
	go func() { waited <- session.WaitSpace(t.Context(), large) }()
	select {
	case err := <-waited:
		t.Fatalf("WaitSpace did not wait: %v", err)
	case <-time.After(20 * time.Millisecond): // gives it the time to be wrong
	}
	p.Want("4small")
	if err := <-waited; err != nil || session.Offer(large) != engineio.Queued {
		t.Fatalf("after the poll: %v", err)
	}
	p.Want("4" + strings.Repeat("x", 3*bound))
}

// A paused session is passed over by what is sent to many, and by nothing else.
func TestPause(t *testing.T) {
	a := newApp()
	_, url := serve(t, a, nil)
	c := dial(t, url)
	session := a.next(t)
	session.Pause(true)
	if v := session.OfferBroadcast(engineio.NewMessage([]byte("many"))); v != engineio.Skipped {
		t.Errorf("a broadcast to a paused session: %v", v)
	}
	session.Send(engineio.NewMessage([]byte("one")))
	session.Pause(false)
	session.OfferBroadcast(engineio.NewMessage([]byte("again")))
	c.Want("4one")
	c.Want("4again")
}

func TestWaitSpaceEnds(t *testing.T) {
	a := newApp()
	_, url := serve(t, a, func(o *engineio.Options) { o.QueuePackets = 4 })
	p := rawclient.OpenPolling(t, url)
	session := a.next(t)
	for range 3 {
		session.Send(engineio.NewMessage([]byte("x")))
	}
	m := engineio.NewMessage(nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := session.WaitSpace(ctx, m); err != context.Canceled {
		t.Errorf("got %v, want the context's error", err)
	}
	waited := make(chan error, 1)
	go func() { waited <- session.WaitSpace(t.Context(), m) }()
	p.Want("4x\x1e4x\x1e4x")
	if err := <-waited; err != nil {
		t.Errorf("after a poll: %v", err)
	}
	session.CloseNow(engineio.ServerClose)
	if err := session.WaitSpace(t.Context(), m); err != nil || session.Send(m) {
		t.Errorf("after the end: %v", err)
	}
}

func TestSetLimits(t *testing.T) {
	s, url := serve(t, newApp(), nil)
	dial(t, url)
	l := engineio.DefaultLimits()
	l.MaxConnections = 1
	if err := s.SetLimits(l); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, s, url, engineio.MaxConnections)
	l.QueueBytes = 0
	if err := s.SetLimits(l); err == nil {
		t.Error("a queue of no bytes was accepted")
	}
	l = engineio.DefaultLimits()
	l.MaxConnectionsPerAddress = 1 // counted all along
	if err := s.SetLimits(l); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, s, url, engineio.MaxConnectionsPerAddress)
}

// A body that comes a byte at a time ends with its time, or with its session, also
// where it is refused unread.
func TestSlowBody(t *testing.T) {
	for name, test := range map[string]struct {
		timeout time.Duration
		abort   bool
		query   string
	}{
		"time-out": {timeout: 200 * time.Millisecond},
		"session":  {timeout: time.Minute, abort: true},
		"refused":  {timeout: 200 * time.Millisecond, query: "/?EIO=4&transport=polling&sid=none"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newApp()
			s, url := serve(t, a, func(o *engineio.Options) { o.PingTimeout = test.timeout })
			p := rawclient.OpenPolling(t, url)
			query := "/" + strings.TrimPrefix(p.URL, url)
			if test.query != "" {
				query = test.query
			}
			conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			_, _ = io.WriteString(conn, "POST "+query+" HTTP/1.1\r\nHost: x\r\nContent-Length: 19000\r\n\r\n4")
			stop := make(chan struct{})
			var drip sync.WaitGroup
			drip.Go(func() {
				for {
					select {
					case <-stop:
						return
					case <-time.After(10 * time.Millisecond):
						_, _ = conn.Write([]byte("x"))
					}
				}
			})
			if test.abort {
				engineio.AwaitPost(t, s, p.SID)
				a.next(t).CloseNow(engineio.ServerClose)
			}
			_ = conn.SetReadDeadline(time.Now().Add(rawclient.Timeout))
			if _, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the request goes on")
			}
			close(stop)
			drip.Wait()
		})
	}
}

// TestHealthChecksAreNoRefusals: a session that health checks ask for by the names that
// the configurations have is answered as any unknown one, and not counted.
func TestHealthChecksAreNoRefusals(t *testing.T) {
	s, url := serve(t, newApp(), nil)
	for sid, counted := range map[string]uint64{"health": 0, "bridge-health-probe": 0, "bridge-check": 0, "Zm9vYmFyYmF6cXV4AAAA": 1} {
		before := s.Stats().Refusals[engineio.UnknownSession]
		r := rawclient.Do(t, "GET", url+"?EIO=4&transport=polling&sid="+sid, "")
		if n := s.Stats().Refusals[engineio.UnknownSession] - before; r.Status != 400 || n != counted {
			t.Errorf("%s: status %d, counted %d times, want %d", sid, r.Status, n, counted)
		}
	}
}
