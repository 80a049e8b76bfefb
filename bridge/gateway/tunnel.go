package gateway

import (
	"bufio"
	"net"
	"sync"
	"time"

	"chatbridge/bridge/gateway/handover"
)

const (
	// copySize is the buffer of one direction of a proxied WebSocket, in bytes.
	// Plain reads and writes, not splice(2): a splice costs the same two system
	// calls for frames of this size, but holds a pipe, which is two descriptors
	// and up to 1 MiB of the user's pipe allowance, per direction and connection.
	copySize = 4096
	// linger is how long the rest of a proxied WebSocket is waited for after one
	// side has ended.
	linger = time.Second
)

// tunnel is one proxied WebSocket: bytes as they come, both ways. The client's frames
// are counted; they are read as such during a hand-over only.
type tunnel struct {
	client       net.Conn
	clientR      *bufio.Reader // what the HTTP server had read ahead, then client
	upstream     net.Conn
	upstreamR    *bufio.Reader
	writeTimeout func() time.Duration // as it is now
	handover     *handover.Handover   // nil: none
	packets      packetLimit          // of the goroutine that reads the client

	mu         sync.Mutex
	ended      bool // the final deadlines are set, and stay
	byUpstream bool // ChatEngine's side ended first
}

// run copies until either side ends, and reports whether it was ChatEngine's.
func (t *tunnel) run() (broken bool) {
	defer t.client.Close()
	defer t.upstream.Close()
	var both sync.WaitGroup
	both.Go(func() {
		if t.handover == nil || t.handover.FromClient() {
			t.copy(t.toUpstream, t.client, t.clientR)
		}
		t.end(t.upstream, false)
	})
	if t.handover == nil || t.handover.FromUpstream() {
		t.copy(t.toClient, t.upstream, t.upstreamR)
	}
	t.end(t.client, true)
	both.Wait()
	if t.handover != nil {
		t.handover.Stop()
	}
	return t.byUpstream
}

// close ends the tunnel from outside: the client comes back by itself.
// Deadlines, not Close: run's goroutines own the connections.
func (t *tunnel) close() { t.setDeadline(time.Unix(1, 0), false) }

// end tells dst that there is no more to come, and bounds the wait for what
// dst still sends. Closing dst at once could reset it before it has read
// what was just written.
func (t *tunnel) end(dst net.Conn, byUpstream bool) {
	t.setDeadline(time.Now().Add(linger), byUpstream)
	if half, ok := dst.(interface{ CloseWrite() error }); ok {
		half.CloseWrite() // its error would be of a connection that is closed anyway
	}
}

// setDeadline sets the final deadlines; only the first call counts.
func (t *tunnel) setDeadline(deadline time.Time, byUpstream bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return
	}
	t.ended, t.byUpstream = true, byUpstream
	t.client.SetDeadline(deadline)
	t.upstream.SetDeadline(deadline)
}

// copy passes on what was read ahead, then everything, until an error.
func (t *tunnel) copy(write func([]byte) error, src net.Conn, ahead *bufio.Reader) {
	buf, _ := ahead.Peek(ahead.Buffered())
	if len(buf) > 0 && write(buf) != nil {
		return
	}
	buf = make([]byte, copySize)
	for {
		n, err := src.Read(buf)
		if n > 0 && write(buf[:n]) != nil {
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
		dst.SetWriteDeadline(time.Now().Add(t.writeTimeout()))
	}
	t.mu.Unlock()
	_, err := dst.Write(p)
	return err
}

// toClient writes what comes from ChatEngine.
func (t *tunnel) toClient(p []byte) error { return t.write(t.client, p) }

// toUpstream writes what comes from the client, unless that is too much: then the
// tunnel ends. The client gets no close frame, because half a frame of ChatEngine's
// may be on its way to it; it comes back as after one.
func (t *tunnel) toUpstream(p []byte) error {
	if !t.packets.take(p) {
		t.close()
		return errPackets
	}
	return t.write(t.upstream, p)
}
