package gateway_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"chatbridge/bridge/gateway"

	"github.com/gorilla/websocket"
)

// masked is a client's frame with an empty mask.
func masked(first byte, payload string) []byte {
	return append([]byte{first, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...)
}

const (
	textFrame = 0x81
	fragment  = 0x01 // the first of a message
	goesOn    = 0x00
	pingFrame = 0x89
	pongFrame = 0x8a
)

// TestPacketsPerSecondHoldInFront: a client that sends too much through the gateway is
// cut off, as the bridge does; what is too much has not arrived, and others go on.
func TestPacketsPerSecondHoldInFront(t *testing.T) {
	t.Parallel()
	const limit, sent = 10, 500 // the rest would take 49 s
	for name, frames := range map[string][]byte{
		"messages":  bytes.Repeat(masked(textFrame, `42["message",1]`), sent),
		"pings":     bytes.Repeat(masked(pingFrame, ""), sent),
		"pongs":     bytes.Repeat(masked(pongFrame, "x"), sent),
		"fragments": append(masked(fragment, "x"), bytes.Repeat(masked(goesOn, "x"), sent)...),
	} {
		for _, handover := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, during a hand-over %v", name, handover), func(t *testing.T) {
				t.Parallel()
				var log lockedBuffer
				o := fast(newEcho(t).URL)
				o.Logger = slog.New(slog.NewTextHandler(&log, nil))
				if !handover {
					o.CatchUp = 0
				} else {
					o.CatchUpWait, o.CatchUpLate = time.Minute, time.Hour
				}
				o.Limits.PacketsPerSecond = limit
				g := run(t, o)
				other := dialEcho(t, g.url)
				for range 2 {
					conn := dialEcho(t, g.url)
					if _, err := conn.NetConn().Write(frames); err != nil {
						t.Fatal(err)
					}
					arrived := 0
					conn.SetPongHandler(func(string) error { arrived++; return nil })
					for {
						if _, _, err := conn.ReadMessage(); err != nil {
							break
						}
						arrived++
					}
					if arrived >= sent {
						t.Error("all came back")
					}
				}
				if err := other.WriteMessage(websocket.TextMessage, []byte("still there")); err != nil {
					t.Fatal(err)
				}
				if _, p, err := other.ReadMessage(); err != nil || string(p) != "still there" {
					t.Errorf("another client read %q, %v", p, err)
				}
				awaitFor(t, "the end of both", func() bool { return g.Stats().Websockets == 1 })
				s := g.Stats()
				if s.Refused["packets_per_second"] != 2 || s.Broken != 0 || s.HandedOver != 0 || s.Switches["local"] > 0 {
					t.Errorf("stats %+v", s)
				}
				if err := g.Shutdown(t.Context(), 10, time.Millisecond); err != nil {
					t.Fatal(err)
				}
				if n := strings.Count(log.String(), "why=packets_per_second"); n != 1 {
					t.Errorf("logged %d times, want once: %s", n, &log)
				}
			})
		}
	}
}

// lockedBuffer is a bytes.Buffer for concurrent use.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

func dialEcho(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(url, "http")+"/api/ws/?EIO=4&transport=websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, _, err := conn.ReadMessage(); err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestNewLimitsHoldForOpenConnections of the gateway too: of their packets, at once.
func TestNewLimitsHoldForOpenConnections(t *testing.T) {
	t.Parallel()
	o := fast(newEcho(t).URL)
	o.CatchUp = 0
	o.Limits.PacketsPerSecond = 10
	g := run(t, o)
	conn, second := dialEcho(t, g.url), dialEcho(t, g.url)
	burst := func(n int) error {
		if _, err := conn.NetConn().Write(bytes.Repeat(masked(textFrame, "x"), n)); err != nil {
			return err
		}
		for range n {
			if _, _, err := conn.ReadMessage(); err != nil {
				return err
			}
		}
		return nil
	}
	set := func(packets int) {
		g.SetLimits(gateway.Limits{PacketsPerSecond: packets, WriteTimeout: o.Limits.WriteTimeout})
	}
	if err := burst(10); err != nil {
		t.Fatalf("within the limit: %v", err)
	}
	set(0)
	if err := burst(500); err != nil {
		t.Fatalf("without a limit: %v", err)
	}
	set(5) // a burst of 5
	conn = second
	if err := burst(100); err == nil {
		t.Error("a limit that was lowered does not hold")
	}
}
