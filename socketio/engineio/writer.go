package engineio

import (
	"slices"
	"sync"
	"time"
)

// maxBatch is about how many bytes leave in one write. Past it there is nothing
// to save, and other sessions wait.
const maxBatch = 128 << 10

// writer writes for many WebSocket sessions, from one goroutine that lives as
// long as there is something to write.
//
// A write(2) costs 5 to 9 µs whatever its size, in any language, so the only way
// past some 150,000 deliveries a second and core is to put several frames into
// one. A writer goes over its ready sessions in rounds, and takes all that a
// session has queued meanwhile: the busier it is, the more gathers. When a round
// ends and the next one is due already, it pauses for as long as the round took,
// GatherMax at most, so that under load about half of the time more gathers
// instead of being spent on small writes. A writer that finds nothing ready never
// waits: at low rates each frame leaves at once.
//
// Rounds that come without end, each over little, are a trap: to a few clients
// each takes some 50 µs and is over before the next event comes, and what the
// small writes cost keeps the events from coming faster. Measured with 15,000
// events a second to 10 clients on two busy cores: the writer alone used half of
// one, and fell behind. So a round is earned, by roundEvery of time; roundsAhead
// of them may be saved up. One that emptied a queue that was more than a quarter
// full is free: who fills it may be waiting for that (WaitSpace).
//
// Sessions of one room have mostly the same messages queued, so a batch is put
// together once and reused for the next session that has the same.
type writer struct {
	server *Server

	mu      sync.Mutex
	ready   []*Session
	running bool

	// Of the running goroutine alone:
	round []*Session
	paced time.Duration // the time up to which rounds have been paid for
	large bool          // this round emptied a queue that was quite full
	batch []*Message
	last  []*Message // the messages that buf holds
	buf   []byte

	written tally
}

// push puts s on the list. Its ready flag is set by the caller, so it is in the list
// once at most.
func (w *writer) push(s *Session) {
	w.mu.Lock()
	w.ready = append(w.ready, s)
	if !w.running {
		w.running = true
		w.server.goroutines.enter()
		go w.run()
	}
	w.mu.Unlock()
}

// run writes until nothing is ready.
func (w *writer) run() {
	defer w.server.goroutines.leave()
	for w.earn(); w.next(); w.earn() {
		began := w.server.now()
		for i, s := range w.round {
			w.flush(s)
			w.round[i] = nil
		}
		w.server.count(&w.written)
		if w.large {
			w.paced -= roundEvery
			w.large = false
		}
		if w.waiting() {
			time.Sleep(min(w.server.now()-began, w.server.opts.GatherMax))
		}
	}
}

const (
	roundEvery  = time.Millisecond
	roundsAhead = 8
)

// earn waits until another round is earned.
func (w *writer) earn() {
	now := w.server.now()
	w.paced = max(w.paced, now-roundsAhead*roundEvery) + min(roundEvery, w.server.opts.GatherMax)
	if w.paced > now {
		time.Sleep(w.paced - now)
	}
}

// next starts a round; false means that there is none, and the goroutine ends.
func (w *writer) next() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.round, w.ready = w.ready, w.round[:0]
	if len(w.round) == 0 {
		clear(w.last)
		w.last = w.last[:0]
		w.running = false
		return false
	}
	return true
}

func (w *writer) waiting() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.ready) > 0
}

// flush writes what s has queued, without waiting for its client.
func (w *writer) flush(s *Session) {
	s.mu.Lock()
	s.ready = false
	if s.held || len(s.queue) == 0 { // drain has the wire, or the session has ended
		s.mu.Unlock()
		return
	}
	var since time.Duration
	w.batch, since = s.take(w.batch[:0], maxBatch)
	if len(w.batch) > w.server.limits.Load().QueuePackets/4 {
		w.large = true
	}
	if len(s.queue) > 0 {
		s.schedule()
	}
	ends, reason := s.ends()
	ws := s.ws
	s.mu.Unlock()

	data := w.encode()
	n, err := ws.rawWrite(data)
	switch {
	case err != nil:
		s.end(TransportError)
	case n < len(data):
		w.stall(s, ws, data[n:])
	default:
		w.written.add(w.packets(), n, w.server.now()-since)
		if ends {
			s.finish(reason, true)
		}
	}
}

// stall leaves a session whose client does not take what is written to a goroutine
// that can wait.
func (w *writer) stall(s *Session, ws *wsConn, rest []byte) {
	s.server.stalls.Add(1)
	n, size := len(w.batch), 0
	for _, m := range w.batch {
		size += len(m.frames)
	}
	rest = append([]byte(nil), rest...)
	s.mu.Lock()
	if s.state == stateClosed { // whoever ended it took the wire for free
		s.mu.Unlock()
		return
	}
	s.held = true
	s.settle(-n, -size) // it waits again
	s.mu.Unlock()
	s.server.goroutines.run(func() { s.drain(ws, rest, n, size) })
}

// packets counts the batch's packets.
func (w *writer) packets() int {
	n := 0
	for _, m := range w.batch {
		n += m.packets()
	}
	return n
}

// encode returns the bytes of the batch.
func (w *writer) encode() []byte {
	if len(w.batch) == 1 {
		return w.batch[0].frames
	}
	if !slices.Equal(w.batch, w.last) {
		w.buf = w.buf[:0]
		for _, m := range w.batch {
			w.buf = append(w.buf, m.frames...)
		}
		w.last = append(w.last[:0], w.batch...)
	}
	return w.buf
}
