package engineio

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"chatbridge/socketio/internal/rawclient"
)

// deaf is an application that does nothing.
type deaf struct{ opened chan *Session }

func (d *deaf) Open(s *Session, _ *http.Request) Receiver { d.opened <- s; return d }
func (d *deaf) Message([]byte, bool)                      {}
func (d *deaf) Close(Reason)                              {}

// stalled is a session whose client reads what the test has it read.
type stalled struct {
	t      *testing.T
	s      *Session
	client net.Conn
}

const large = 16 << 20 // more than a kernel keeps for a connection

func newStalled(t *testing.T) *stalled {
	t.Helper()
	o := DefaultOptions()
	o.QueueBytes, o.WriteTimeout = 16*large, rawclient.Timeout
	app := &deaf{opened: make(chan *Session, 1)}
	server, err := NewServer(o, app)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), rawclient.Timeout)
		defer cancel()
		if err := server.Shutdown(ctx, 0, 0); err != nil {
			t.Error(err)
		}
		web.Close()
	})
	c := rawclient.Dial(t, web.URL+"?EIO=4&transport=websocket")
	c.WantPrefix(`0{"sid":"`)
	conn := c.Conn.NetConn()
	_ = conn.(*net.TCPConn).SetReadBuffer(256 << 10)
	return &stalled{t, <-app.opened, conn}
}

// await waits until the queue counts so many messages; if that does not happen, the
// test fails with what it counts.
func (st *stalled) await(messages int) {
	st.t.Helper()
	var depth, size int
	for began := time.Now(); time.Since(began) < 10*time.Second; time.Sleep(time.Millisecond) {
		st.s.mu.Lock()
		depth, size = st.s.depth, st.s.size
		owned := st.s.writeOwned
		st.s.mu.Unlock()
		if depth == messages && size/large == messages && owned == (messages > 0) {
			return
		}
	}
	st.t.Fatalf("the queue counts %d messages of %d bytes, want %d messages", depth, size, messages)
}

// read reads so many bytes of the client's.
func (st *stalled) read(n int) {
	st.t.Helper()
	_ = st.client.SetReadDeadline(time.Now().Add(rawclient.Timeout))
	buf := make([]byte, 64<<10)
	for n > 0 {
		k, err := st.client.Read(buf[:min(n, len(buf))])
		if err != nil {
			st.t.Fatal(err)
		}
		n -= k
	}
}

// TestStalledBytesCount: what a client has not taken counts against its queue
// until it has, however often it was moved from one place to the other.
func TestStalledBytesCount(t *testing.T) {
	st := newStalled(t)
	m := NewMessage([]byte(strings.Repeat("x", large)))
	frame := len(m.frames)
	st.s.Send(m)
	st.await(1) // the kernel has a part of it
	st.s.Send(m)
	st.s.Send(m)
	st.await(3)
	st.read(frame)
	st.await(2) // the second is being written
	st.read(frame)
	st.await(1)
	st.read(frame)
	st.await(0)
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	if st.s.size != 0 {
		t.Errorf("%d bytes are counted of an empty queue", st.s.size)
	}
}

// TestWaitSpaceReturnsWhenClosed: who waits for room is woken when there will be
// none.
func TestWaitSpaceReturnsWhenClosed(t *testing.T) {
	st := newStalled(t)
	m := NewMessage([]byte(strings.Repeat("x", large)))
	for range 6 {
		st.s.Send(m)
	}
	waited := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	go func() { waited <- st.s.WaitSpace(ctx, m) }()
	for {
		st.s.mu.Lock()
		waits := st.s.space != nil
		st.s.mu.Unlock()
		if waits {
			break
		}
		time.Sleep(time.Millisecond) // there is no event for this
	}
	st.s.CloseNow(ServerClose)
	if err := <-waited; err != nil {
		t.Errorf("WaitSpace: %v", err)
	}
}

// TestWatchOfAStalledClient: what the kernel takes at the second try is told of too.
func TestWatchOfAStalledClient(t *testing.T) {
	st := newStalled(t)
	m, w := NewMessage([]byte(strings.Repeat("x", large))), new(Watch)
	m.Watch(w)
	st.s.Send(m)
	st.await(1) // the kernel has a part of it
	st.s.Send(m)
	st.await(2)
	if n, _, _, _ := w.Written(); n != 0 {
		t.Fatalf("written %d times to a client that reads nothing", n)
	}
	st.read(len(m.frames))
	st.await(1)
	st.read(len(m.frames))
	st.await(0)
	if n, _, _, _ := w.Written(); n != 2 {
		t.Errorf("written %d times, want 2", n)
	}
}
