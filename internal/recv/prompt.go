package recv

import (
	"errors"
	"net"
	"os"
	"runtime/metrics"
	"sync"
	"syscall"
	"time"
)

const (
	// promptStep is how often a Prompt looks for itself where the process is busy. It costs
	// a microsecond or two.
	promptStep = 250 * time.Microsecond
	// promptBusy is how many goroutines must wait for a processor for the process to be busy;
	// promptAfter is for how long it counts as busy afterwards.
	promptBusy  = 8
	promptAfter = 100 * time.Millisecond
)

// Prompt is a connection that is read ahead of what else the process has to do.
//
// Go's scheduler asks the kernel what has arrived when no goroutine can run, or else each
// 10 ms, and then puts who waits for it behind all that can run: with thousands of clients
// that come back at once some 25 ms passed before an event was read (docs/hot-path/prompt.md).
// A timer that ends is looked for each time a goroutine stops, and who waits for it runs
// next. So where goroutines wait for a processor, a Prompt waits for a short time at most
// and looks again.
//
// One goroutine at a time reads; the other methods may be called from any.
type Prompt struct {
	net.Conn
	raw syscall.RawConn

	mu       sync.Mutex
	deadline time.Time // as it was set
	stepping bool      // the connection's own deadline is another

	// Of the reader:
	b         []byte
	n         int
	err       error
	busyUntil time.Time
	sample    [1]metrics.Sample
	read      func(fd uintptr) (done bool) // receive, bound once
}

// NewPrompt returns a connection that is read so where it has a descriptor, and is conn in
// all else.
func NewPrompt(conn net.Conn) *Prompt {
	p := &Prompt{Conn: conn, raw: descriptor(conn)}
	p.sample[0].Name = "/sched/goroutines/runnable:goroutines"
	p.read = p.receive
	return p
}

// SyscallConn implements [syscall.Conn].
func (p *Prompt) SyscallConn() (syscall.RawConn, error) {
	if c, ok := p.Conn.(syscall.Conn); ok {
		return c.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

// SetReadDeadline implements [net.Conn].
func (p *Prompt) SetReadDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deadline, p.stepping = t, false
	return p.Conn.SetReadDeadline(t)
}

// SetDeadline implements [net.Conn].
func (p *Prompt) SetDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deadline, p.stepping = t, false
	return p.Conn.SetDeadline(t)
}

// Read implements [net.Conn].
func (p *Prompt) Read(b []byte) (int, error) {
	if p.raw == nil || len(b) == 0 {
		return p.Conn.Read(b)
	}
	p.b = b
	defer func() { p.b = nil }()
	for {
		if err := p.endStep(); err != nil {
			return 0, err
		}
		waitErr := p.raw.Read(p.read)
		if errors.Is(waitErr, os.ErrDeadlineExceeded) && p.isStep() {
			continue
		}
		// Whoever asks for the descriptor next finds no deadline that has passed. If it fails
		// the connection is closed, of which the next Read will tell.
		_ = p.endStep()
		return result(p.Conn, p.n, p.err, waitErr)
	}
}

// receive reads if something has arrived, and otherwise prepares to wait.
func (p *Prompt) receive(fd uintptr) (done bool) {
	if p.n, p.err, done = receive(fd, p.b); !done {
		p.step()
	}
	return done
}

// step bounds the wait that follows where the process is busy.
func (p *Prompt) step() {
	metrics.Read(p.sample[:]) // first: it may wait for another reader of metrics
	now := time.Now()
	if p.sample[0].Value.Kind() == metrics.KindUint64 && p.sample[0].Value.Uint64() >= promptBusy {
		p.busyUntil = now.Add(promptAfter)
	}
	if now.After(p.busyUntil) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	at := now.Add(promptStep)
	if !p.deadline.IsZero() && p.deadline.Before(at) {
		return
	}
	// It fails only of a closed connection, of which the wait will tell.
	p.stepping = p.Conn.SetReadDeadline(at) == nil
}

// endStep gives the connection the deadline that was set.
func (p *Prompt) endStep() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.stepping {
		return nil
	}
	p.stepping = false
	return p.Conn.SetReadDeadline(p.deadline)
}

// isStep reports whether the deadline that ended a wait was that of a step.
func (p *Prompt) isStep() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stepping
}
