package handover

import (
	"time"

	"chatbridge/bridge/gateway/frame"
)

// maxBuffered bounds what is buffered of ChatEngine's events for one client, in
// bytes. At the contract's sizes (about 500 bytes) it is 2,000 of them.
const maxBuffered = 1 << 20

// buffered is an event of ChatEngine's that waits.
type buffered struct {
	frame.Frame
	identity
	at time.Time
}

func newBuffered(f frame.Frame, at time.Time) buffered {
	return buffered{Frame: f, identity: identify(f.Payload), at: at}
}

// buffer holds ChatEngine's events in their order. Handover.mu guards it.
type buffer struct {
	events []buffered
	size   int // bytes
}

func (b *buffer) add(f frame.Frame) {
	b.events = append(b.events, newBuffered(f, time.Now()))
	b.size += len(f.Raw)
}

func (b *buffer) full() bool { return b.size > maxBuffered }

func (b *buffer) dropOldest() {
	for b.full() {
		b.size -= len(b.events[0].Raw)
		b.events[0] = buffered{}
		b.events = b.events[1:]
	}
}

// take empties the buffer.
func (b *buffer) take() []buffered {
	events := b.events
	*b = buffer{}
	return events
}
