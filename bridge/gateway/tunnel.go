package gateway

import (
	"bufio"
	"net"
	"sync"
	"time"
)

// copySize is the buffer of one direction of a proxied websocket. Plain reads
// and writes, not splice(2): a splice costs the same two system calls for
// frames of this size, but holds a pipe, which is two descriptors and up to
// 1 MiB of the user's pipe allowance, per direction and connection.
const copySize = 4096

// tunnel is one proxied websocket: bytes as they come, both ways, frames only
// while the client is being caught up.
type tunnel struct {
	client       net.Conn
	clientR      *bufio.Reader // what the HTTP server had read ahead, then client
	up           net.Conn
	upR          *bufio.Reader
	writeTimeout time.Duration
	catchUp      *catchUp // nil: nothing to do

	mu    sync.Mutex
	ended bool // deadlines for the end are set, and stay
	wasUp bool // ChatEngine's side ended first
}

// run copies until either side ends, and tells whether it was ChatEngine's.
func (t *tunnel) run() (broken bool) {
	defer t.client.Close()
	defer t.up.Close()
	var both sync.WaitGroup
	both.Go(func() {
		t.fromClient()
		t.end(t.up, false)
	})
	t.fromUpstream()
	t.end(t.client, true)
	both.Wait()
	if t.catchUp != nil {
		t.catchUp.stop()
	}
	return t.wasUp
}

// cut ends the tunnel from outside: the client comes back by itself. Deadlines,
// not Close: run's goroutines own the connections.
func (t *tunnel) cut() { t.finish(time.Unix(1, 0), false) }

// end tells dst that there is no more to come, and bounds the wait for what
// dst still has to say. Closing dst at once could reset it before it has read
// what was just written.
func (t *tunnel) end(dst net.Conn, byUpstream bool) {
	t.finish(time.Now().Add(linger), byUpstream)
	if half, ok := dst.(interface{ CloseWrite() error }); ok {
		half.CloseWrite() // its error would be of a connection that is closed anyway
	}
}

// finish sets the final deadlines; only the first call counts.
func (t *tunnel) finish(deadline time.Time, byUpstream bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return
	}
	t.ended, t.wasUp = true, byUpstream
	t.client.SetDeadline(deadline)
	t.up.SetDeadline(deadline)
}

func (t *tunnel) fromClient() {
	if t.catchUp != nil && !t.catchUp.fromClient() {
		return
	}
	t.copy(t.up, t.client, t.clientR)
}

func (t *tunnel) fromUpstream() {
	if t.catchUp != nil && !t.catchUp.fromUpstream() {
		return
	}
	t.copy(t.client, t.up, t.upR)
}

// copy passes on what was read ahead, then everything, until an error.
func (t *tunnel) copy(dst, src net.Conn, ahead *bufio.Reader) {
	buf, _ := ahead.Peek(ahead.Buffered())
	if len(buf) > 0 && t.write(dst, buf) != nil {
		return
	}
	buf = make([]byte, copySize)
	for {
		n, err := src.Read(buf)
		if n > 0 && t.write(dst, buf[:n]) != nil {
			return
		}
		if err != nil {
			return
		}
	}
}

// write bounds the write: a client that reads nothing must not keep a
// connection of ChatEngine's.
func (t *tunnel) write(dst net.Conn, p []byte) error {
	t.mu.Lock()
	if !t.ended {
		dst.SetWriteDeadline(time.Now().Add(t.writeTimeout))
	}
	t.mu.Unlock()
	_, err := dst.Write(p)
	return err
}
