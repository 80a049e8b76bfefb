package socketio

import (
	"bytes"
	"encoding/json"
	"sync"

	"chatbridge/socketio/parser"
)

// waiters are those who wait for a client's acknowledgements. The zero value is
// ready.
type waiters struct {
	mu   sync.Mutex
	next uint64
	wait map[uint64]chan []json.RawMessage
}

// add returns the id of a new acknowledgement, and where it will come.
func (w *waiters) add() (uint64, <-chan []json.RawMessage) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.wait == nil {
		w.wait = make(map[uint64]chan []json.RawMessage)
	}
	id := w.next
	w.next++
	answer := make(chan []json.RawMessage, 1)
	w.wait[id] = answer
	return id, answer
}

// drop forgets an acknowledgement that nobody waits for any more.
func (w *waiters) drop(id uint64) {
	w.mu.Lock()
	delete(w.wait, id)
	w.mu.Unlock()
}

// acknowledged serves an acknowledgement; false means that it is malformed. One
// that nobody waits for is none of the client's faults: it may have come late.
func (s *Socket) acknowledged(p parser.Packet, _ [][]byte) bool {
	if !p.HasID {
		return false
	}
	s.acks.mu.Lock()
	answer := s.acks.wait[p.ID]
	delete(s.acks.wait, p.ID)
	s.acks.mu.Unlock()
	if answer != nil {
		answer <- parser.Elements(nil, bytes.Clone(p.Data))
	}
	return true
}
