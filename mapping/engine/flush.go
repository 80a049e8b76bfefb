package engine

import (
	"bytes"
	"cmp"
	"slices"

	"chatbridge/mapping/contract"
	"chatbridge/mapping/internal/plan"
)

// flush ends a batch: it asks for what the batch needs, in one call, emits the
// events that waited, then the conversations, then those of the references
// that changed.
func (s *sender) flush(emit Emit) error {
	done, err := s.conversations(0, len(s.batch.waiting) == 0, emit)
	if err != nil {
		return err
	}
	related := s.resolver.fetch(s.batch.changed)
	if len(s.resolver.many.again) > 0 {
		s.askMore(s.againNeeds)
	}
	s.noteReferences()
	if err := s.waiting(emit); err != nil {
		return err
	}
	if _, err := s.conversations(done, true, emit); err != nil {
		return err
	}
	if err := s.related(related, emit); err != nil {
		return err
	}
	s.batch.end()
	s.resolver.reset()
	return nil
}

// conversations emits the conversations that are due, from the from-th
// on, until one needs a look-up. The rest, or all unless send is true, is only
// rendered, to learn what else is needed. It returns how many are done with.
func (s *sender) conversations(from int, send bool, emit Emit) (done int, err error) {
	done = from
	b := &s.batch
	for i := from; i < len(b.touched); i++ {
		t := &b.touched[i]
		o, undecided := impossible, false
		if !t.due && t.preview {
			t.due, undecided = s.previewDue(t)
		}
		if t.due {
			s.report.muted = !send || undecided
			o = s.render.conversation(t.rowKey, b.conversationIndex()+t.first)
			s.report.muted = false
		}
		if undecided {
			t.due, o = false, needsLookup
		}
		if o == needsLookup {
			send = false
		}
		if !send {
			continue
		}
		if t.due && (s.render.env.LookupFailed || s.owes()) {
			s.note(contract.Conversation, plan.ConversationTable, t.rowKey, nil, o)
		}
		if done = i + 1; o == rendered {
			if err := s.deliverConversation(emit); err != nil {
				return done, err
			}
		}
	}
	return done, nil
}

// waiting emits the events that waited, in order.
func (s *sender) waiting(emit Emit) error {
	for i := range s.batch.waiting {
		w := &s.batch.waiting[i]
		o := rendered
		switch w.kind {
		case 0:
			s.render.event = w.event
		case contract.Message:
			if w.of != nil {
				if o = s.againWithMany(w); o == impossible {
					continue
				}
				break
			}
			o = s.render.message(w.row, w.index, s.memory.fillMessage(w.row))
			s.note(w.kind, plan.MessageTable, s.messageKey(w.row), w.row, o)
			if s.batch.isUpdate(w.index) {
				s.render.setAgain(w.row)
			}
		case contract.MessageStatus:
			s.memory.fillMessage(w.row)
			if o = s.render.status(w.row, w.index); s.render.env.LookupFailed {
				s.owe(w.kind, plan.MessageTable, s.messageKey(w.row), w.row, o)
			}
		default:
			o = s.render.typing(w.row, w.index)
		}
		if o != rendered {
			continue
		}
		if err := s.deliverRendered(emit); err != nil {
			return err
		}
		if w.kind == contract.MessageStatus {
			if err := s.otherStatuses(w.index, s.deliverRendered, emit); err != nil {
				return err
			}
		}
	}
	return nil
}

// noteReferences notes whether the conversations of the references that changed
// could be asked for.
func (s *sender) noteReferences() {
	for _, c := range s.batch.changed {
		switch s.resolver.state {
		case answered:
			s.owed.settled(c.table, c.key)
		case failed:
			s.owe(contract.Conversation, c.table, c.key, nil, impossible)
		}
	}
}

// related emits the conversations whose reference changed, in the order of
// their keys, without those that the batch sent anyway.
func (s *sender) related(keys []rowKey, emit Emit) error {
	b := &s.batch
	index := b.relatedIndex()
	limit := index + RelatedLimit*b.referenceRows
	for _, key := range inOrder(keys) {
		if i := b.find(key); i >= 0 && b.touched[i].due {
			continue
		}
		if index == limit {
			return nil
		}
		o := s.render.conversation(key, index)
		s.note(contract.Conversation, plan.ConversationTable, key, nil, o)
		if o != rendered {
			continue
		}
		index++
		if err := s.deliverConversation(emit); err != nil {
			return err
		}
	}
	return nil
}

// inOrder sorts keys, each once.
func inOrder(keys []rowKey) []rowKey {
	slices.SortFunc(keys, func(a, b rowKey) int {
		return cmp.Or(bytes.Compare(a.key, b.key), bytes.Compare(a.workspace, b.workspace))
	})
	return slices.CompactFunc(keys, rowKey.equal)
}
