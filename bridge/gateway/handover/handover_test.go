package handover_test

import (
	"bufio"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"chatbridge/bridge/gateway/frame"
	"chatbridge/bridge/gateway/handover"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	connect = `40{"token":"t"}`
	missed  = `42["message",{"id":"1"}]`
	live    = `42["message",{"id":"2"}]`
)

// bridge accepts the feed, sends what the client missed, and answers a question.
func bridge(t *testing.T) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.RemoteAddr != "192.0.2.7:1" || r.Header.Get(handover.Header) == "" || r.URL.Path != "/api/ws/" || r.URL.Query().Get("workspaceId") != "w" {
			t.Errorf("the feed's request is from %s, to %s, with %v", r.RemoteAddr, r.URL, r.Header)
		}
		conn, err := new(websocket.Upgrader).Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		send := func(packets ...string) {
			for _, p := range packets {
				_ = conn.WriteMessage(websocket.TextMessage, []byte(p)) // an error shows at the next read
			}
		}
		send(`0{"sid":"b"}`)
		for {
			_, p, err := conn.ReadMessage()
			if err != nil {
				return
			}
			if n, ok := strings.CutPrefix(string(p), `42["`+handover.SyncEvent+`",`); ok {
				send(`42["` + handover.SyncedEvent + `",` + n)
			} else if string(p) == connect {
				send(`40{"sid":"b"}`, missed)
			}
		}
	})
}

// side is a Side and the test's end of its connection.
func side(t *testing.T) (handover.Side, net.Conn) {
	ours, theirs := net.Pipe()
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	return handover.Side{R: bufio.NewReader(theirs), Write: func(p []byte) error {
		_, err := theirs.Write(p)
		return err
	}}, ours
}

// TestHandoverWithoutAGateway: two connections and a bridge are all it needs.
func TestHandoverWithoutAGateway(t *testing.T) {
	s := handover.New(handover.Options{
		Path: "/api/ws", Bridge: bridge(t), Logger: slog.New(slog.DiscardHandler),
		CatchUp: 50 * time.Millisecond, CatchUpWait: time.Minute, CatchUpLate: time.Minute,
		Fresh: func(time.Time) bool { return true },
	})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	clientSide, client := side(t)
	upstreamSide, upstream := side(t)
	r := httptest.NewRequest(http.MethodGet, "/api/ws/?EIO=4&transport=websocket&workspaceId=w", nil)
	r.RemoteAddr = "192.0.2.7:1"
	h := s.Start(r, http.Header{}, clientSide, upstreamSide)
	running.Go(func() { h.FromClient() })
	running.Go(func() { h.FromUpstream() })
	send := func(conn net.Conn, packet string) {
		if _, err := conn.Write(frame.AppendText(nil, []byte(packet))); err != nil {
			t.Fatal(err)
		}
	}
	// received are the payloads that come out at the other end. A pipe has no
	// buffer, so both ends are read all the time.
	received := func(conn net.Conn) <-chan string {
		payloads := make(chan string, 8)
		running.Go(func() {
			for r := bufio.NewReader(conn); ; {
				f, err := frame.Read(r, 1<<20)
				if err != nil {
					return
				}
				payloads <- string(f.Payload)
			}
		})
		return payloads
	}
	expect := func(from <-chan string, want string) {
		t.Helper()
		select {
		case got := <-from:
			if got != want {
				t.Fatalf("received %s, want %s", got, want)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("timed out: %s", want)
		}
	}
	atUpstream, atClient := received(upstream), received(client)
	send(client, connect)
	expect(atUpstream, connect)
	send(upstream, `40{"sid":"e"}`)
	send(upstream, live)
	expect(atClient, `40{"sid":"e"}`)
	expect(atClient, missed)
	expect(atClient, live)
	client.Close()
	upstream.Close()
	h.Stop()
	if s.Outcomes()["done"] != 1 || s.Events() != 1 {
		t.Errorf("outcomes %v, %d events", s.Outcomes(), s.Events())
	}
	cancel()
	running.Wait()
}
