package stress_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"chatbridge/internal/baseline"
	"chatbridge/socketio"
	"chatbridge/socketio/engineio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// waitLimit is how long a test waits for what should come soon. Running out of
// it is a failure.
const waitLimit = 30 * time.Second

// server is a Socket.IO server whose clients are all in the room "all" and may
// join others.
type server struct {
	*socketio.Server
	ns  *socketio.Namespace
	url string // http://host:port
}

func start(t *testing.T, o socketio.Options) *server {
	t.Helper()
	o.Path = "/api/ws"
	s, err := socketio.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ns := s.Namespace("/")
	ns.OnConnect(func(s *socketio.Socket) { _ = s.Join("all") }) // fails if the client has gone
	ns.OnEvent(func(s *socketio.Socket, e *socketio.Event) {
		var room string
		if e.Name != "join" || len(e.Args) == 0 || json.Unmarshal(e.Args[0], &room) != nil {
			return
		}
		if err := s.Join(room); err != nil {
			s.Close(tooManyRooms)
			return
		}
		if e.HasAck() {
			_ = e.Ack(true)
		}
	})
	// As a careful operator would: a client gets so long to say what it wants.
	h := httptest.NewUnstartedServer(s)
	h.Config.ReadHeaderTimeout = 2 * time.Second
	h.Config.ErrorLog = discard
	h.Config.ConnContext = engineio.ConnContext
	h.Start()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), waitLimit)
		defer cancel()
		if err := s.Shutdown(ctx, socketio.ShutdownOptions{}); err != nil {
			t.Errorf("shut down: %v", err)
		}
		h.Close()
	})
	return &server{s, ns, h.URL}
}

func (s *server) addr() string { return strings.TrimPrefix(s.url, "http://") }

// before has the server serve a client, and takes the baseline to which the process has
// to come back when an attack on the server is over.
func (s *server) before(t *testing.T) *baseline.Baseline {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	if err := receiveOne(ctx, s); err != nil {
		t.Fatal(err)
	}
	return s.rest(t)
}

// rest waits until the server has no session, nor keeps one for later, and takes the
// baseline.
func (s *server) rest(t *testing.T) *baseline.Baseline {
	t.Helper()
	eventually(t, "all sessions end", func() bool { st := s.Stats(); return s.Len() == 0 && st.Sockets == 0 && s.ns.Len() == 0 })
	eventually(t, "recovery forgets them", func() bool { return s.Stats().SavedSessions == 0 })
	return baseline.Take(t)
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(waitLimit); !holds(); {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, waitLimit)
		}
		time.Sleep(5 * time.Millisecond) // between two checks
	}
}

// request sends one HTTP request by a client, and reads the answer.
func request(ctx context.Context, c *http.Client, method, url, body string) (int, string, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	resp, err := c.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	var b strings.Builder
	_, err = copyBody(&b, resp.Body)
	return resp.StatusCode, b.String(), err
}
