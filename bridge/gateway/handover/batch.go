package handover

import (
	"sync"
	"time"

	"chatbridge/bridge/gateway/frame"
)

// The bridge's events are written together: a minute of a busy workspace is
// thousands, and a write for each cost the client more than reading them.
const (
	batchBytes = 32 << 10
	batchTime  = 5 * time.Millisecond
)

// batch gathers frames and writes them together, after batchTime or from
// batchBytes on. Its methods are called with mu, the Handover's, held.
type batch struct {
	mu     *sync.Mutex
	write  func(p []byte) error
	frames []byte
}

// add takes an event of the bridge's. An error of the write shows in the
// tunnel's own reads and writes.
func (b *batch) add(packet []byte) {
	if len(b.frames) == 0 {
		time.AfterFunc(batchTime, func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			_ = b.flush()
		})
	}
	b.frames = frame.AppendText(b.frames, packet)
	if len(b.frames) >= batchBytes {
		_ = b.flush()
	}
}

// flush writes what is gathered.
func (b *batch) flush() error {
	if len(b.frames) == 0 {
		return nil
	}
	err := b.write(b.frames)
	b.frames = b.frames[:0]
	return err
}

// writeAfter writes a frame, after what is gathered.
func (b *batch) writeAfter(raw []byte) error {
	if err := b.flush(); err != nil {
		return err
	}
	return b.write(raw)
}
