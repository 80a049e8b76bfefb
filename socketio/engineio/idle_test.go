package engineio_test

import (
	"runtime"
	"strconv"
	"testing"
	"time"

	"chatbridge/socketio/engineio"
	"chatbridge/socketio/internal/rawclient"
)

// An idle connection takes no goroutine where there is epoll, one elsewhere; and it
// is served all the same when its client speaks.
func TestIdleConnections(t *testing.T) {
	const n = 200
	_, url := serve(t, newApp(), nil)
	dial(t, url) // the poller, the listener
	before := runtime.NumGoroutine()
	var clients []*rawclient.WS
	for range n {
		clients = append(clients, dial(t, url))
	}
	allowed := before + n/10
	if runtime.GOOS != "linux" {
		allowed += n
	}
	for range 2 {
		for i, c := range clients {
			c.Send("4" + strconv.Itoa(i))
			c.Want("4" + strconv.Itoa(i))
		}
		for began := time.Now(); runtime.NumGoroutine() > allowed; time.Sleep(time.Millisecond) {
			if time.Since(began) > rawclient.Timeout {
				t.Fatalf("%d goroutines with %d idle connections, %d before", runtime.NumGoroutine(), n, before)
			}
		}
	}
}

// Frames that come in one TCP segment, or in pieces, are all read.
func TestReadsInPieces(t *testing.T) {
	_, url := serve(t, newApp(), nil)
	c := dial(t, url)
	frame := []byte{0x81, 0x82, 0, 0, 0, 0, '4', 'x'}
	var many []byte
	for range 100 {
		many = append(many, frame...)
	}
	raw(c, many...)
	for range 100 {
		c.Want("4x")
	}
	for _, b := range frame {
		raw(c, b)
	}
	c.Want("4x")
	raw(c, 0x01, 0x81, 0, 0, 0, 0, '4') // a message in three frames
	raw(c, 0x00, 0x81, 0, 0, 0, 0, 'a')
	raw(c, 0x80, 0x81, 0, 0, 0, 0, 'b')
	c.Want("4ab")
}

// What gathers in a queue leaves in few writes, in order.
func TestFramesGather(t *testing.T) {
	a := newApp()
	s, url := serve(t, a, nil)
	c := dial(t, url)
	session := a.next(t)
	const n = 20_000
	go func() {
		for i := range n {
			m := engineio.NewMessage([]byte(strconv.Itoa(i)))
			if session.WaitSpace(t.Context(), m) != nil {
				return
			}
			session.Send(m)
		}
	}()
	for i := range n {
		c.Want("4" + strconv.Itoa(i))
	}
	st := s.Stats()
	if st.Writes*4 > st.PacketsOut {
		t.Errorf("%d writes for %d packets", st.Writes, st.PacketsOut)
	}
	if st.Latency.Count != st.Writes || st.QueueHigh < 4 || st.QueuedPackets != 0 || st.QueuedBytes != 0 {
		t.Errorf("stats %+v", st)
	}
}
