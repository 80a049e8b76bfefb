package handover

import (
	"bytes"
	"slices"
	"time"

	"chatbridge/internal/jsonscan"
)

// maxSent bounds what is remembered of one client's feed, in bytes: some 20,000
// events with ids of the usual length. sentEvent is what one takes beside its ids.
const (
	maxSent   = 4 << 20
	sentEvent = 128
)

// sentStates is what the bridge has sent to a client.
type sentStates struct {
	of   map[string][]string // by subject, each state
	size int                 // bytes
}

// add remembers an event.
func (s *sentStates) add(packet []byte) {
	subject, state := identify(packet)
	size := s.size + sentEvent + len(subject) + len(state)
	if subject == "" || size > maxSent || s.has(subject, state) {
		return
	}
	if s.of == nil {
		s.of = make(map[string][]string)
	}
	s.of[subject] = append(s.of[subject], state)
	s.size = size
}

func (s *sentStates) has(subject, state string) bool { return slices.Contains(s.of[subject], state) }

// unsent returns the events that say what the bridge has not sent, in their
// order. Left out are a subject's states up to the last one that the bridge has
// sent, and those from before the time covered of a subject of which the bridge
// has sent any.
func (s *sentStates) unsent(events []buffered, covered time.Time) []buffered {
	known := make(map[string]bool)
	var unsent []buffered
	for _, e := range slices.Backward(events) {
		if e.subject != "" {
			_, inFeed := s.of[e.subject]
			if known[e.subject] || inFeed && e.at.Before(covered) {
				continue
			}
			if s.has(e.subject, e.state) {
				known[e.subject] = true
				continue
			}
		}
		unsent = append(unsent, e)
	}
	slices.Reverse(unsent)
	return unsent
}

// identify returns the row that an event is about and the state that it gives
// to it: two events with the same leave the client in the same state. Both are
// empty for an event that cannot be identified.
//
// It keeps a hand-over from going back in time: of a message that was delivered,
// then read, the bridge may have sent read alone; ChatEngine's delivered, sent
// last, would stay.
func identify(packet []byte) (subject, state string) {
	start := bytes.IndexByte(packet, '[')
	if start < 0 {
		return "", ""
	}
	args := jsonscan.Iterate(packet[start:])
	if !args.Next() {
		return "", ""
	}
	prefix, key, stateKey := "", "", ""
	switch text(args.Value) {
	case "message":
		prefix, key = "m ", "id"
	case "messageStatus":
		prefix, key, stateKey = "s ", "messageId", "status"
	case "conversation":
		prefix, key, stateKey = "c ", "id", "lastMessage"
	default:
		return "", ""
	}
	if !args.Next() {
		return "", ""
	}
	id := ""
	for row := jsonscan.Iterate(args.Value); row.Next() && row.Key != nil && (id == "" || stateKey != "" && state == ""); {
		switch {
		case jsonscan.KeyIs(row.Key, key):
			id = text(row.Value)
		case stateKey != "" && jsonscan.KeyIs(row.Key, stateKey):
			state = stateOf(row.Value)
		}
	}
	if id == "" {
		return "", ""
	}
	return prefix + id, state
}

// stateOf is a text, or the id of an object.
func stateOf(v []byte) string {
	if bytes.HasPrefix(v, []byte("{")) {
		v, _ = jsonscan.Descend(v, []string{"id"})
	}
	return text(v)
}

// text returns a copy of a JSON string's text, "" for any other value.
func text(v []byte) string {
	s, ok := jsonscan.Unquote(nil, v)
	if !ok {
		return ""
	}
	return string(s)
}
