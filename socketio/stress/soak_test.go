package stress_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"chatbridge/socketio"
)

// soakEnv is how many clients the soak connects.
const soakEnv = "SOCKETIO_SOAK"

// TestSoak connects and disconnects clients in every way, many at a time, and
// wants the process afterwards as it was after the first third.
func TestSoak(t *testing.T) {
	cycles := 3000
	if v := os.Getenv(soakEnv); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatalf("%s: %v", soakEnv, err)
		}
		cycles = n
	}
	o := socketio.DefaultOptions()
	o.PingInterval, o.PingTimeout = 300*time.Millisecond, 5*time.Second // ends those that just stay away
	o.HandshakesPerSecond = 0
	o.Recovery.Enabled = true
	o.Recovery.MaxSessions = 100
	o.Recovery.MaxDisconnection = time.Second
	s := start(t, o)

	soak(t, s, cycles/3)
	before := s.rest(t) // a kilobyte kept of each client would be 2 MB in the short form
	began := time.Now()
	soak(t, s, cycles-cycles/3)
	took := time.Since(began)
	before.Await(t)
	t.Logf("%d cycles, %.0f a second", cycles, float64(cycles-cycles/3)/took.Seconds())
	if st := s.Stats(); st.Connects < uint64(cycles) || st.Closes[panicked] > 0 {
		t.Errorf("%d of %d clients connected, %d panics", st.Connects, cycles, st.Closes[panicked])
	}
}

// soak runs n clients, with an event to all of them now and then.
func soak(t *testing.T, s *server, n int) {
	t.Helper()
	const workers = 32
	stop := make(chan struct{})
	var publisher, clients sync.WaitGroup
	publisher.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		packet := socketio.NewEvent("/", "news", []byte(`"`+strings.Repeat("x", 400)+`"`))
		for {
			select {
			case <-tick.C:
				s.ns.Broadcast(packet, "all")
			case <-stop:
				return
			}
		}
	})
	for w := range workers {
		clients.Go(func() {
			for i := w; i < n && !t.Failed(); i += workers {
				way := ways[i%len(ways)]
				ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
				if err := way.run(ctx, s); err != nil {
					t.Errorf("%s: %v", way.name, err)
				}
				cancel()
			}
		})
	}
	clients.Wait()
	close(stop)
	publisher.Wait()
}

// ways are how a client comes and goes.
var ways = []struct {
	name string
	run  func(ctx context.Context, s *server) error
}{
	{"close frame", func(ctx context.Context, s *server) error {
		return session(ctx, s, func(c *websocket.Conn) error {
			return c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(time.Second))
		})
	}},
	{"close packet", func(ctx context.Context, s *server) error {
		return session(ctx, s, func(c *websocket.Conn) error { return write(c, "1") })
	}},
	{"disconnect packet", func(ctx context.Context, s *server) error {
		return session(ctx, s, func(c *websocket.Conn) error { return write(c, "41") })
	}},
	{"reset", func(ctx context.Context, s *server) error {
		return session(ctx, s, func(c *websocket.Conn) error { return c.NetConn().(*net.TCPConn).SetLinger(0) })
	}},
	{"broken packet", func(ctx context.Context, s *server) error {
		return session(ctx, s, func(c *websocket.Conn) error { return write(c, "4nonsense") })
	}},
	{"before connect", func(ctx context.Context, s *server) error {
		c, err := dial(ctx, s, webSocket)
		if err != nil {
			return err
		}
		return c.Close()
	}},
	{"polling", func(ctx context.Context, s *server) error { return pollingSession(ctx, s, true) }},
	{"polling, abandoned", func(ctx context.Context, s *server) error { return pollingSession(ctx, s, false) }},
	{"upgrade", upgradeSession},
}

// session connects by WebSocket, joins a room, has an event, and ends.
func session(ctx context.Context, s *server, end func(*websocket.Conn) error) error {
	c, err := dial(ctx, s, webSocket)
	if err != nil {
		return err
	}
	defer c.Close()
	for _, step := range []struct{ send, await string }{
		{"", "0{"}, {"40", "40{"}, {`421["join","r` + c.LocalAddr().String() + `"]`, "431[true]"}, {"", `42["news"`},
	} {
		if step.send != "" {
			if err := write(c, step.send); err != nil {
				return err
			}
		}
		if err := await(c, step.await); err != nil {
			return err
		}
	}
	return end(c)
}

func dial(ctx context.Context, s *server, query string) (*websocket.Conn, error) {
	c, resp, err := websocket.DefaultDialer.DialContext(ctx, "ws://"+s.addr()+query, nil)
	if err != nil {
		if resp != nil {
			err = fmt.Errorf("%w: %s", err, resp.Status)
		}
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	return c, c.SetReadDeadline(deadline)
}

func write(c *websocket.Conn, text string) error {
	return c.WriteMessage(websocket.TextMessage, []byte(text))
}

// await reads until a message begins like that, and answers pings.
func await(c *websocket.Conn, begin string) error {
	for {
		_, b, err := c.ReadMessage()
		if err != nil {
			return fmt.Errorf("await %s: %w", begin, err)
		}
		if string(b) == "2" {
			if err := write(c, "3"); err != nil {
				return err
			}
		}
		if strings.HasPrefix(string(b), begin) {
			return nil
		}
	}
}

// pollingSession connects by polling and has an event. It ends with a close
// packet, or without a word.
func pollingSession(ctx context.Context, s *server, closes bool) error {
	c := &http.Client{Transport: &http.Transport{}}
	defer c.CloseIdleConnections()
	url, err := openPolling(ctx, c, s)
	if err != nil {
		return err
	}
	for seen := ""; !strings.Contains(seen, `42["news"`); {
		status, body, err := request(ctx, c, "GET", url, "")
		if err != nil || status != 200 {
			return fmt.Errorf("poll: %d %s: %w", status, body, err)
		}
		if body == "2" {
			_, _, _ = request(ctx, c, "POST", url, "3")
		}
		seen += body
	}
	if closes {
		_, _, err = request(ctx, c, "POST", url, "1")
	}
	return err
}

// openPolling opens a polling session and connects it.
func openPolling(ctx context.Context, c *http.Client, s *server) (url string, err error) {
	status, body, err := request(ctx, c, "GET", s.url+polling, "")
	if err != nil || status != 200 {
		return "", fmt.Errorf("handshake: %d %s: %w", status, body, err)
	}
	_, rest, _ := strings.Cut(body, `"sid":"`)
	sid, _, _ := strings.Cut(rest, `"`)
	url = s.url + polling + "&sid=" + sid
	status, body, err = request(ctx, c, "POST", url, "40")
	if err != nil || status != 200 {
		return "", fmt.Errorf("connect: %d %s: %w", status, body, err)
	}
	return url, nil
}

// upgradeSession connects by polling, goes over to WebSocket and has an event
// there.
func upgradeSession(ctx context.Context, s *server) error {
	c := &http.Client{Transport: &http.Transport{}}
	defer c.CloseIdleConnections()
	url, err := openPolling(ctx, c, s)
	if err != nil {
		return err
	}
	_, sid, _ := strings.Cut(url, "&sid=")
	ws, err := dial(ctx, s, webSocket+"&sid="+sid)
	if err != nil {
		return err
	}
	defer ws.Close()
	if err := write(ws, "2probe"); err != nil {
		return err
	}
	if err := await(ws, "3probe"); err != nil {
		return err
	}
	if err := write(ws, "5"); err != nil {
		return err
	}
	return await(ws, `42["news"`)
}
