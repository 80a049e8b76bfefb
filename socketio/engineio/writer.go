package engineio

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"chatbridge/internal/histogram"
)

// maxBatch is about how many bytes leave in one write. Past it there is nothing
// to save, and other sessions wait.
const maxBatch = 128 << 10

// writer writes for many WebSocket sessions, from one goroutine that lives as
// long as there is something to write.
//
// A write(2) costs 5 to 9 µs whatever its size, in any language, so the only way
// past some 150,000 deliveries a second and core is to put several frames into
// one. A writer goes over the sessions on its list in rounds, and takes all that a
// session has queued meanwhile: the busier it is, the more gathers. A round that wrote
// to a session to which the one before wrote a moment ago shows that a wait would gather
// more. The events of many rooms, each to a few sessions, leave at once, however many
// they are.
//
// After such a round, or one of roundEvery or longer, when the next one is due already, it
// pauses for as long as the round took, GatherMax at most, so that under load about
// half of the time more gathers instead of being spent on small writes.
//
// Rounds that wrote to a session again are rate-limited to one per roundEvery, with a
// burst of roundsAhead: many small rounds, one after the other, would cost the time in
// which the next events are made. Measured with 15,000 events a second to 10 clients on
// two busy cores: without the limit the writer alone used half of one, and fell behind. A
// round that emptied a queue that was more than a quarter full does not count: a caller of
// WaitSpace may be waiting for it.
//
// Sessions of one room have mostly the same messages queued, so a batch is encoded
// once and reused for the next session that has the same.
type writer struct {
	server *Server

	mu      sync.Mutex
	list    []*Session // that have something queued
	running bool

	// Of the running goroutine alone:
	round   []*Session
	limiter *rate.Limiter // of rounds
	began   time.Duration // of this round
	took    time.Duration // how long the round before took, with its wait
	again   bool          // this round wrote to a session again, see againWithin
	large   bool          // this round emptied a queue that was quite full
	batch   []*Message
	last    []*Message // the messages that buf holds
	buf     []byte
	sender  *sender
	written tally
}

const (
	roundEvery  = time.Millisecond
	roundsAhead = 8
	// againWithin is how long after the round before a round still writes "again", beside
	// how long that one took.
	againWithin = 2 * roundEvery
)

func newWriter(s *Server) *writer {
	limit := rate.Every(min(roundEvery, s.opts.GatherMax)) // of zero: no limit
	return &writer{server: s, limiter: rate.NewLimiter(limit, roundsAhead), sender: newSender(), written: tally{latency: histogram.NewTally(latencyLayout)}}
}

// push puts s on the list. Its listed is set by the caller, so it is in the list
// once at most.
func (w *writer) push(s *Session) {
	w.mu.Lock()
	w.list = append(w.list, s)
	if !w.running {
		w.running = true
		w.server.goroutines.Go(w.run)
	}
	w.mu.Unlock()
}

// run writes until the list is empty.
func (w *writer) run() {
	for w.next() {
		w.began = w.server.now()
		for i, s := range w.round {
			w.flush(s)
			w.round[i] = nil
		}
		w.server.count(&w.written)
		if took := w.server.now() - w.began; (w.again || took >= roundEvery) && w.due() {
			time.Sleep(min(took, w.server.opts.GatherMax))
		}
		if w.again && !w.large {
			_ = w.limiter.Wait(context.Background()) // fails only with its context
		}
		w.again, w.large = false, false
		w.took = w.server.now() - w.began
	}
}

// next starts a round; false means that the list is empty, and the goroutine ends.
func (w *writer) next() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.round, w.list = w.list, w.round[:0]
	if len(w.round) == 0 {
		w.letGo()
		w.running = false
		return false
	}
	return true
}

// letGo keeps nothing of what was written: it may be long until there is more, and one
// event may be of megabytes.
func (w *writer) letGo() {
	w.batch, w.last = emptied(w.batch), emptied(w.last)
	if cap(w.buf) > 2*maxBatch {
		w.buf = nil
	}
}

// emptied returns a slice without elements, which leads to none either.
func emptied(messages []*Message) []*Message {
	if cap(messages) > maxIdleQueue {
		return nil
	}
	clear(messages[:cap(messages)])
	return messages[:0]
}

// due reports whether there is something for another round.
func (w *writer) due() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.list) > 0
}

// flush writes what s has queued, without waiting for its client.
func (w *writer) flush(s *Session) {
	s.mu.Lock()
	s.listed = false
	if s.writeOwned || len(s.queue) == 0 { // drain writes, or the session is closed
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
	last, reason := s.lastTaken()
	ws := s.ws
	s.mu.Unlock()
	if s.round > 0 && w.began-s.round < againWithin+w.took {
		w.again = true
	}
	s.round = w.began

	data := w.encode()
	n, whole, err := w.send(ws, data)
	switch {
	case err != nil:
		s.CloseNow(TransportError)
	case !whole:
		w.stall(s, ws, data[n:])
	default:
		w.written.add(w.packets(), n, w.server.now()-since)
		wrote(w.batch)
		if last {
			s.closeWritten(reason)
		}
	}
}

// send writes as much of data as can be written at once. Of a TLS connection that is all, and
// what the kernel does not take is kept in its wire, which is not the whole; or nothing of what
// is so large that all others would wait for its encryption.
func (w *writer) send(ws *wsConn, data []byte) (n int, whole bool, err error) {
	switch {
	case ws.wire == nil:
		n, err = w.sender.trySend(ws.raw, data)
		whole = n == len(data)
	case len(data) > 2*maxBatch:
		return 0, false, nil
	default:
		n, err = ws.wire.tryWrite(ws.Conn, data)
		whole = ws.wire.kept() == 0
	}
	if err == nil && !whole {
		w.server.stalls.Add(1)
		w.server.bytesOut.Add(uint64(n)) // drain counts the rest
	}
	return n, whole, err
}

// stall leaves a session to drain, on a goroutine that can wait: the kernel did not take all
// that was to be written, or it is TLS and large.
func (w *writer) stall(s *Session, ws *wsConn, rest []byte) {
	n, size := len(w.batch), 0
	var watches []*Watch // not the messages: the client may take long
	for _, m := range w.batch {
		size += m.Size()
		if m.watch != nil {
			watches = append(watches, m.watch)
		}
	}
	if len(w.batch) > 1 || w.batch[0].cut() { // else they are the message's own, which stay
		rest = slices.Clone(rest)
	}
	s.mu.Lock()
	if s.state == stateClosed {
		s.mu.Unlock()
		return
	}
	s.writeOwned = true
	s.addQueued(n, size) // until it is written
	s.mu.Unlock()
	s.server.goroutines.Go(func() { s.drain(ws, rest, watches, n, size) })
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
	if len(w.batch) == 1 && !w.batch[0].cut() {
		return w.batch[0].frames
	}
	if !slices.Equal(w.batch, w.last) {
		w.buf = w.buf[:0]
		for _, m := range w.batch {
			w.buf = m.appendFrames(w.buf)
		}
		w.last = append(w.last[:0], w.batch...)
	}
	return w.buf
}
