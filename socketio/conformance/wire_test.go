package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// timeout is how long a test waits for what should come at once; then it fails.
const timeout = 10 * time.Second

// wire speaks to a server by HTTP requests and WebSocket messages, as written
// in the test.
type wire struct {
	t   *testing.T
	url string // of the path, with its slash at the end
	// polls gets a value for each GET of a session that has reached the server.
	polls <-chan struct{}
}

// arrived waits until a poll has reached the server.
func (w wire) arrived() {
	w.t.Helper()
	select {
	case <-w.polls:
	case <-time.After(timeout):
		w.t.Fatal("no poll reached the server")
	}
}

// forget forgets the polls that have reached the server.
func (w wire) forget() {
	for len(w.polls) > 0 {
		<-w.polls
	}
}

// serveMode starts the server of one mode, with the suites' times.
func serveMode(t *testing.T, mode string) wire {
	t.Helper()
	a, err := newApp(mode)
	if err != nil {
		t.Fatal(err)
	}
	return serveApp(t, a)
}

// serveCalm starts it with a heartbeat so slow that no test sees it: on a busy
// machine the suites' 200 ms for a pong are too short to do anything else in.
func serveCalm(t *testing.T, mode string) wire {
	t.Helper()
	engine := engineIOOptions()
	engine.PingInterval, engine.PingTimeout = 10*time.Minute, time.Minute
	a, err := newEngineIO(engine)
	if mode == "socketio" {
		o := socketIOOptions()
		o.Options, o.ConnectTimeout = engine, time.Minute
		a, err = newSocketIO(o)
	}
	if err != nil {
		t.Fatal(err)
	}
	return serveApp(t, a)
}

func serveApp(t *testing.T, a app) wire {
	t.Helper()
	polls := make(chan struct{}, 1000)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && r.URL.Query().Has("sid") {
			polls <- struct{}{}
		}
		a.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), timeout)
		defer cancel()
		if err := a.shutdown(ctx); err != nil {
			t.Errorf("shut down: %v", err)
		}
		s.Close()
	})
	return wire{t, s.URL + path + "/", polls}
}

// answer is an HTTP response.
type answer struct {
	status int
	header http.Header
	body   string
	err    error
}

// do sends one request, each on a connection of its own, and does not follow
// redirects.
func (w wire) do(ctx context.Context, method, query, body string, header ...string) (a answer) {
	r, err := http.NewRequestWithContext(ctx, method, w.url+query, strings.NewReader(body))
	if err != nil {
		return answer{err: err}
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(b), err}
}

// want fails the test unless the answer has the status and, unless empty, the
// body.
func (w wire) want(what string, a answer, status int, body string) {
	w.t.Helper()
	if a.err != nil {
		w.t.Fatalf("%s: %v", what, a.err)
	}
	if a.status != status || body != "" && a.body != body {
		w.t.Fatalf("%s: %d %q, want %d %q", what, a.status, a.body, status, body)
	}
}

func (w wire) ctx() context.Context {
	ctx, cancel := context.WithTimeout(w.t.Context(), timeout)
	w.t.Cleanup(cancel)
	return ctx
}

const polling = "?EIO=4&transport=polling"

// open opens a polling session.
func (w wire) open() (sid string) {
	w.t.Helper()
	a := w.do(w.ctx(), "GET", polling, "")
	w.want("handshake", a, 200, "")
	return w.sid(strings.TrimPrefix(a.body, "0"))
}

func (w wire) sid(open string) string {
	w.t.Helper()
	var packet struct{ SID string }
	if err := json.Unmarshal([]byte(open), &packet); err != nil || packet.SID == "" {
		w.t.Fatalf("open packet %q: %v", open, err)
	}
	return packet.SID
}

func (w wire) poll(sid string) answer { return w.do(w.ctx(), "GET", polling+"&sid="+sid, "") }

func (w wire) post(sid, body string) answer { return w.do(w.ctx(), "POST", polling+"&sid="+sid, body) }

// pollLater starts a poll and gives its answer by a channel. It returns when
// the request is on its way, which does not say that the server has read it.
func (w wire) pollLater(ctx context.Context, sid string) <-chan answer {
	c := make(chan answer, 1)
	go func() { c <- w.do(ctx, "GET", polling+"&sid="+sid, "") }()
	return c
}

// socket is a WebSocket connection.
type socket struct {
	w wire
	*websocket.Conn
}

// dial opens a WebSocket with that query.
func (w wire) dial(query string) (socket, error) {
	d := websocket.Dialer{HandshakeTimeout: timeout}
	c, resp, err := d.DialContext(w.ctx(), "ws"+strings.TrimPrefix(w.url, "http")+query, nil)
	if err != nil {
		if resp != nil {
			_ = resp.Body.Close()
		}
		return socket{}, err
	}
	w.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetReadDeadline(time.Now().Add(timeout)) // fails only on a closed connection
	return socket{w, c}, nil
}

const webSocket = "?EIO=4&transport=websocket"

// connect opens a WebSocket session and reads its open packet.
func (w wire) connect() socket {
	w.t.Helper()
	s := w.mustDial(webSocket)
	w.sid(strings.TrimPrefix(s.text(), "0"))
	return s
}

func (w wire) mustDial(query string) socket {
	w.t.Helper()
	s, err := w.dial(query)
	if err != nil {
		w.t.Fatalf("dial %s: %v", query, err)
	}
	return s
}

// join connects to a namespace: the packet to send and how the answer begins,
// for one the "auth" event comes after.
func (w wire) join(packet, answer string) socket {
	w.t.Helper()
	s := w.connect()
	s.send(packet)
	if got := s.text(); !strings.HasPrefix(got, answer+`{"sid":"`) {
		w.t.Fatalf("answer to %s is %q, want %s with a sid", packet, got, answer)
	}
	return s
}

func (s socket) send(text string) {
	s.w.t.Helper()
	if err := s.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		s.w.t.Fatalf("send %q: %v", text, err)
	}
}

func (s socket) sendBinary(b ...byte) {
	s.w.t.Helper()
	if err := s.WriteMessage(websocket.BinaryMessage, b); err != nil {
		s.w.t.Fatalf("send binary: %v", err)
	}
}

// text is the next text message that is no ping.
func (s socket) text() string {
	s.w.t.Helper()
	for {
		kind, b, err := s.ReadMessage()
		if err != nil || kind != websocket.TextMessage {
			s.w.t.Fatalf("read text: kind %d, %v", kind, err)
		}
		if string(b) != "2" {
			return string(b)
		}
	}
}

// expect reads messages, which must be these; a []byte is a binary one.
func (s socket) expect(messages ...any) {
	s.w.t.Helper()
	for _, want := range messages {
		if want, ok := want.(string); ok {
			if got := s.text(); got != want {
				s.w.t.Fatalf("received %q, want %q", got, want)
			}
			continue
		}
		kind, got, err := s.ReadMessage()
		if err != nil || kind != websocket.BinaryMessage || string(got) != string(want.([]byte)) {
			s.w.t.Fatalf("received %d %v, %v; want binary %v", kind, got, err, want)
		}
	}
}

// expectClosed reads until the server closes, and fails at anything but pings
// before that.
func (s socket) expectClosed() {
	s.w.t.Helper()
	for {
		_, b, err := s.ReadMessage()
		var netErr interface{ Timeout() bool }
		switch {
		case errors.As(err, &netErr) && netErr.Timeout():
			s.w.t.Fatal("connection is still open")
		case err != nil:
			return
		case string(b) != "2":
			s.w.t.Fatalf("received %q, want the end", b)
		}
	}
}
