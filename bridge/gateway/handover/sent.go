package handover

import (
	"bytes"
	"slices"
	"strings"
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
	of map[string][]string // by subject, each state
	// ids are the ids of messages by their other names: ChatEngine may know a message
	// by another of its names than the bridge.
	ids  map[string]string
	size int // bytes
}

// add remembers an event.
func (s *sentStates) add(packet []byte) {
	e := identify(packet)
	size := s.size + sentEvent + len(e.subject) + len(e.state)
	for _, name := range e.names {
		size += sentEvent + len(name)
	}
	if e.subject == "" || size > maxSent {
		return
	}
	if s.of == nil {
		s.of, s.ids = make(map[string][]string), make(map[string]string)
	}
	for _, name := range e.names {
		if _, ok := s.ids[name]; !ok {
			s.ids[name] = e.subject[len(messagePrefix):]
			s.size += sentEvent + len(name)
		}
	}
	if !s.has(e.subject, e.state) {
		s.of[e.subject] = append(s.of[e.subject], e.state)
		s.size += sentEvent + len(e.subject) + len(e.state)
	}
}

// known is an event's identity with the bridge's ids for ChatEngine's.
func (s *sentStates) known(e identity) (subject, state string) {
	if id, ok := s.ids[e.state]; ok && strings.HasPrefix(e.subject, conversationPrefix) {
		return e.subject, id
	}
	if !strings.HasPrefix(e.subject, messagePrefix) || s.of[e.subject] != nil {
		return e.subject, e.state
	}
	for _, name := range append(e.names, e.subject[len(messagePrefix):]) {
		if id, ok := s.ids[name]; ok {
			return messagePrefix + id, e.state
		}
	}
	return e.subject, e.state
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
		if subject, state := s.known(e.identity); subject != "" {
			_, inFeed := s.of[subject]
			if known[subject] || inFeed && e.at.Before(covered) {
				continue
			}
			if s.has(subject, state) {
				known[subject] = true
				continue
			}
		}
		unsent = append(unsent, e)
	}
	slices.Reverse(unsent)
	return unsent
}

// identity is the row that an event is about and the state that it gives to it: two
// events with the same leave the client in the same state. All is empty for an event
// that cannot be identified.
type identity struct {
	subject, state string
	names          []string // of a message, beside its id
}

// What subjects begin with; the id follows.
const messagePrefix, statusPrefix, conversationPrefix = "m ", "s ", "c "

// identify returns the identity of an event.
//
// It keeps a hand-over from going back in time: of a message that was delivered,
// then read, the bridge may have sent read alone; ChatEngine's delivered, sent
// last, would stay.
func identify(packet []byte) (e identity) {
	start := bytes.IndexByte(packet, '[')
	if start < 0 {
		return e
	}
	args := jsonscan.Iterate(packet[start:])
	if !args.Next() {
		return e
	}
	prefix, key, stateKey := "", "id", ""
	switch text(args.Value) {
	case "message":
		prefix, stateKey = messagePrefix, "metadata"
	case "messageStatus":
		prefix, key, stateKey = statusPrefix, "messageId", "status"
	case "conversation":
		prefix, stateKey = conversationPrefix, "lastMessage"
	default:
		return e
	}
	if !args.Next() {
		return e
	}
	var id string
	var state []byte
	for row := jsonscan.Iterate(args.Value); row.Next() && row.Key != nil && (id == "" || state == nil); {
		switch {
		case jsonscan.KeyIs(row.Key, key):
			id = text(row.Value)
		case jsonscan.KeyIs(row.Key, stateKey):
			state = row.Value
		}
	}
	switch {
	case id == "":
	case prefix == messagePrefix:
		e = identity{prefix + id, "", namesOf(state)}
	default:
		e = identity{prefix + id, stateOf(state), nil}
	}
	return e
}

// namesOf are the ids that a message's metadata has.
func namesOf(metadata []byte) []string {
	var names []string
	for it := jsonscan.Iterate(metadata); it.Next() && it.Key != nil; {
		if jsonscan.KeyIs(it.Key, "providerMessageId") || jsonscan.KeyIs(it.Key, "clientMessageId") {
			if name := text(it.Value); name != "" {
				names = append(names, name)
			}
		}
	}
	return names
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
