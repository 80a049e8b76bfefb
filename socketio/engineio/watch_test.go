package engineio_test

import (
	"testing"
	"time"

	"chatbridge/socketio/engineio"
	"chatbridge/socketio/internal/rawclient"
)

// TestWatch: a watched message tells of each session to which it was written, on either
// transport.
func TestWatch(t *testing.T) {
	a := newApp()
	_, url := serve(t, a, nil)
	ws := dial(t, url)
	byWebSocket := a.next(t)
	polling := rawclient.OpenPolling(t, url)
	byPolling := a.next(t)

	var w engineio.Watch
	m := engineio.NewMessage([]byte("watched"))
	m.Watch(&w)
	began := time.Now()
	byWebSocket.Send(m)
	ws.Want("4watched")
	_, _, first, _ := awaitWritten(t, &w, 1)
	byPolling.Send(m)
	polling.Want("4watched")
	_, _, again, last := awaitWritten(t, &w, 2)
	if first.Before(began) || !again.Equal(first) || last.Before(first) || last.After(time.Now()) {
		t.Errorf("first %v, then %v, last %v; sent at %v", first, again, last, began)
	}
}

// awaitWritten waits for the count: a client may have the message before it counts.
func awaitWritten(t *testing.T, w *engineio.Watch, n int64) (written, queued int64, first, last time.Time) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		if written, queued, first, last = w.Written(); written >= n {
			return written, queued, first, last
		}
		if time.Since(began) > rawclient.Timeout {
			t.Fatalf("written to %d, want %d", written, n)
		}
	}
}
