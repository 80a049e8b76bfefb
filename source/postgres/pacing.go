package postgres

import (
	"syscall"
	"time"

	"golang.org/x/time/rate"
)

// The server sends each row by itself, and each send wakes a reader that waits:
// under a stream of single-row transactions both are bound by system calls. So
// blocking reads are rate-limited: one per readEvery, with a burst of
// readsAhead; meanwhile the socket buffers. docs/hot-path/read-pacing.md has the
// figures, and says when to delete this.
const (
	readEvery  = 200 * time.Microsecond
	readsAhead = 64
	// bufferMost is how many buffered bytes wake the reader all the same.
	bufferMost = 256 << 10
)

// readPacer rate-limits the reads of a socket that wait for data. It belongs to
// the reader.
type readPacer struct {
	// socket is nil where the operating system cannot keep a reader asleep
	// until more has arrived: reads are not limited then.
	socket syscall.RawConn
	reads  *rate.Limiter
}

func newReadPacer(conn syscall.Conn) readPacer {
	p := readPacer{reads: rate.NewLimiter(rate.Every(readEvery), readsAhead)}
	p.socket, _ = conn.SyscallConn() // nil if there is none
	return p
}

// wait lets the socket buffer until the limit allows another blocking read.
func (p *readPacer) wait() error {
	if p.socket == nil {
		return nil
	}
	delay := p.reads.Reserve().Delay()
	if delay == 0 {
		return nil
	}
	if err := setLowWater(p.socket, bufferMost); err != nil {
		p.socket = nil
		return nil
	}
	time.Sleep(delay)
	return setLowWater(p.socket, 1)
}
