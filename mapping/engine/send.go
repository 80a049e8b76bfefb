package engine

import (
	"bytes"

	"chatbridge/mapping/contract"
	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

// sender makes events in order: those of a row at once, or, behind one that needs
// something looked up, when the batch ends; conversations when it ends.
type sender struct {
	schema
	report   *reporter
	memory   *memory
	resolver *resolver
	render   *renderer
	owed     *owedEvents
	batch    batch
}

// reset drops the batch.
func (s *sender) reset() {
	s.batch.reset()
	s.resolver.reset()
}

// message makes a message event; partial tells that the source did not send all of
// the row.
func (s *sender) message(row source.Row, partial bool, index uint32, emit Emit) error {
	cut := partial && s.memory.fillMessage(row)
	switch s.render.message(row, index, cut) {
	case rendered:
		if s.owes() {
			s.owed.settled(plan.MessageTable, s.messageKey(row))
		}
		if s.batch.isUpdate(index) {
			s.render.setAgain(row)
		}
		return s.send(emit)
	case needsLookup:
		s.batch.wait(contract.Message, index, s.messageKey(row), row)
	}
	return nil
}

// status makes a messageStatus event, and one under each of the message's other ids.
// They need nothing looked up, unless the mapping says so.
func (s *sender) status(row source.Row, index uint32, emit Emit) error {
	switch s.render.status(row, index) {
	case rendered:
		if err := s.send(emit); err != nil {
			return err
		}
		return s.otherStatuses(index, s.send, emit)
	case needsLookup:
		s.batch.wait(contract.MessageStatus, index, s.messageKey(row), row)
	}
	return nil
}

// otherStatuses sends the rendered messageStatus under the message's other ids, at
// the indexes after its own.
func (s *sender) otherStatuses(index uint32, send func(Emit) error, emit Emit) error {
	for n := range s.plan.Names {
		if !s.render.again(n, index+1+uint32(n)) {
			continue
		}
		if err := send(emit); err != nil {
			return err
		}
	}
	return nil
}

// deliverRendered emits the rendered event.
func (s *sender) deliverRendered(emit Emit) error { return s.deliver(&s.render.event, emit) }

// typing makes a typing event of a conversation's row.
func (s *sender) typing(row source.Row, index uint32, emit Emit) error {
	switch s.render.typing(row, index) {
	case rendered:
		return s.send(emit)
	case needsLookup:
		s.batch.wait(contract.Typing, index, rowKey{}, row)
	}
	return nil
}

// send emits the rendered event, or queues it behind the events that wait.
func (s *sender) send(emit Emit) error {
	if len(s.batch.waiting) > 0 {
		s.batch.waiting = append(s.batch.waiting, waiting{event: cloneEvent(&s.render.event)})
		return nil
	}
	return s.deliver(&s.render.event, emit)
}

func (s *sender) deliver(e *contract.Event, emit Emit) error {
	s.report.events[e.Kind].Add(1)
	return emit(e)
}

// deliverConversation emits the rendered conversation, and remembers that the
// clients know of it.
func (s *sender) deliverConversation(emit Emit) error {
	if row := s.render.conversationRow; row != nil {
		row.sent = true
	}
	return s.deliver(&s.render.event, emit)
}

func cloneEvent(e *contract.Event) contract.Event {
	c := *e
	for _, p := range []*[]byte{&c.Workspace, &c.Conversation, &c.Key, &c.Status, &c.Payload, &c.Of, &c.Other} {
		*p = bytes.Clone(*p)
	}
	return c
}

// owes reports whether an event is owed, or waits and may come to be.
func (s *sender) owes() bool { return len(s.owed.all) > 0 || len(s.batch.latest) > 0 }

// note notes how the latest event went: without what a failed look-up would have
// found, or complete.
func (s *sender) note(kind contract.Kind, t plan.TableID, key rowKey, row source.Row, o outcome) {
	switch {
	case s.render.env.LookupFailed:
		s.owe(kind, t, key, row, o)
	case o == rendered || o == unwanted:
		s.owed.settled(t, key)
	}
}

// owe notes that the latest event, or what could not be made of it, is owed.
func (s *sender) owe(kind contract.Kind, t plan.TableID, key rowKey, row source.Row, o outcome) {
	if t == plan.MessageTable {
		if latest, ok := s.batch.latest[key.owned()]; ok {
			if row = latest; row == nil {
				return // it was deleted in the same transaction
			}
		}
	}
	var sent *contract.Event
	if o == rendered {
		sent = &s.render.event
	}
	s.owed.add(kind, t, key, row, sent)
}

// updateOwed keeps the rows of messages that wait or are owed as the stream has
// them.
func (s *sender) updateOwed(row source.Row, was, now rowKey) {
	s.batch.update(now, row)
	s.owed.update(row, was, now)
}
