package handover

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// blockedFeed is a feed whose every write waits until the bridge's side reads.
func blockedFeed(t *testing.T) (f *feed, bridge *websocket.Conn) {
	t.Helper()
	l := newPipeListener()
	upgraded := make(chan *websocket.Conn, 1)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		upgraded <- conn
	})}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) })
	dialer := websocket.Dialer{NetDialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return l.dial(ctx, pipeAddr("127.0.0.1:1"))
	}}
	conn, _, err := dialer.DialContext(t.Context(), "ws://bridge/", nil)
	if err != nil {
		t.Fatal(err)
	}
	bridge = <-upgraded
	f = &feed{changed: make(chan struct{}, 1), syncs: make(chan int, 1)}
	over := make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() { f.write(conn, nil, over) })
	t.Cleanup(func() {
		close(over)
		bridge.Close()
		conn.Close()
		writing.Wait()
		server.Close()
		serving.Wait()
	})
	return f, bridge
}

// TestTheQuestionComesAfterTheSubscriptions: the bridge is not to say that all
// is sent before it knows what the client subscribed to. Which of two things
// that are due a writer takes first is chance, so it is tried some times.
func TestTheQuestionComesAfterTheSubscriptions(t *testing.T) {
	f, bridge := blockedFeed(t)
	read := func() string {
		t.Helper()
		_ = bridge.SetReadDeadline(time.Now().Add(30 * time.Second))
		_, text, err := bridge.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for n := 1; n <= 20; n++ {
		// The first is being written, and waits for its reader, when the others come.
		for _, name := range []string{"a", "b"} {
			if !f.send(fmt.Appendf(nil, "%s%d", name, n)) {
				t.Fatal("it takes no more subscriptions")
			}
			if name == "a" {
				time.Sleep(5 * time.Millisecond) // for the write to begin; where it has not, this round proves less
			}
		}
		f.sync(n)
		for _, want := range []string{fmt.Sprintf("a%d", n), fmt.Sprintf("b%d", n), fmt.Sprintf("42[%q,%d]", SyncEvent, n)} {
			if got := read(); got != want {
				t.Fatalf("the bridge heard %s, want %s", got, want)
			}
		}
	}
}
