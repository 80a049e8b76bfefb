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
	// drainTime is for how long the gateway reads from a client that may not have noticed yet
	// that ChatEngine is gone, because of a slow line or a busy page.
	drainTime = 5 * time.Second
)

// side is whose side of a tunnel ended first.
type side int

const (
	ofGateway side = iota
	ofClient
	ofUpstream
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
	texts        *passedTexts         // nil: none are looked at

	mu      sync.Mutex
	ended   bool // the final deadlines are set, and stay
	first   side // whose side ended first
	failed  bool // ChatEngine's side could not be written to
	aborted bool // nothing more is read
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
		t.end(t.upstream, ofClient)
		t.drain()
	})
	if t.handover == nil || t.handover.FromUpstream() {
		t.copy(t.toClient, t.upstream, t.upstreamR)
	}
	t.end(t.client, ofUpstream)
	both.Wait()
	if t.handover != nil {
		t.handover.Stop()
	}
	t.texts.end(t.first == ofClient)
	return t.first == ofUpstream
}

// close ends the tunnel from outside: the client comes back by itself. What it has sent
// until it hears of it passes yet. Deadlines, not Close: run's goroutines own the
// connections.
func (t *tunnel) close() {
	t.setDeadline(time.Now().Add(linger), ofGateway)
	t.upstream.SetReadDeadline(time.Unix(1, 0))
}

// abort ends the tunnel at once.
func (t *tunnel) abort() {
	t.setDeadline(time.Unix(1, 0), ofGateway)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.aborted = true
}

// end tells dst that there is no more to come, and bounds the wait for what
// dst still sends. Closing dst at once could reset it before it has read
// what was just written.
func (t *tunnel) end(dst net.Conn, first side) {
	t.setDeadline(time.Now().Add(linger), first)
	if half, ok := dst.(interface{ CloseWrite() error }); ok {
		half.CloseWrite() // its error would be of a connection that is closed anyway
	}
}

// setDeadline sets the final deadlines; only the first call counts.
func (t *tunnel) setDeadline(deadline time.Time, first side) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return
	}
	if t.ended, t.first = true, first; t.failed {
		t.first = ofUpstream
	}
	t.client.SetDeadline(deadline)
	t.upstream.SetDeadline(deadline)
}

// copy passes on what was read ahead, then everything, until an error.
func (t *tunnel) copy(write func([]byte) error, src net.Conn, ahead *bufio.Reader) {
	buf, _ := ahead.Peek(ahead.Buffered())
	failed := len(buf) > 0 && write(buf) != nil
	_, _ = ahead.Discard(len(buf)) // they are buffered
	if failed {
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

// drain reads what the client sends until it notices the end of the connection. The texts in it
// are noted; nothing is passed on.
func (t *tunnel) drain() {
	if t.texts == nil || !t.drains() {
		return
	}
	t.copy(func(p []byte) error {
		t.texts.fromClient(p)
		return nil
	}, t.client, t.clientR)
}

// drains extends the client's last deadline, but for a tunnel that the gateway ends.
func (t *tunnel) drains() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.first == ofUpstream {
		t.client.SetReadDeadline(time.Now().Add(drainTime))
	}
	return !t.aborted
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
func (t *tunnel) toClient(p []byte) error {
	err := t.write(t.client, p)
	if err == nil {
		t.texts.fromUpstream(p)
	}
	return err
}

// toUpstream writes what comes from the client, unless that is too much: then the
// tunnel ends. The client gets no close frame, because half a frame of ChatEngine's
// may be on its way to it; it comes back as after one.
func (t *tunnel) toUpstream(p []byte) error {
	if !t.packets.take(p) {
		t.abort()
		return errPackets
	}
	t.texts.fromClient(p)
	err := t.write(t.upstream, p)
	if err != nil {
		t.mu.Lock()
		t.failed = true
		t.mu.Unlock()
	}
	return err
}
