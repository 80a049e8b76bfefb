package engine

import (
	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

// Old rows come as far as the table's replica identity has them. Where that
// lacks the workspace it is the row's key alone, which is then unique in the
// whole table: what is remembered of the key is dropped in every workspace.
// Where the key is unique in its workspace only, the primary key, which is the
// default identity, has both.

// drop forgets a deleted row; old is the row as far as the source sent it, and
// has the whole key.
func (m *memory) drop(t plan.TableID, old source.Row, key rowKey) {
	m.rows.drop(t, key)
	switch t {
	case plan.MessageTable:
		m.fingerprints.drop(key)
		for n := range m.plan.Kept {
			m.kept.drop(uint8(n), key)
		}
		if conv := textAt(old, m.plan.Message.Conversation); conv != nil {
			m.dropNewest(rowKey{key.workspace, conv}, key.key)
		}
	case plan.ConversationTable:
		m.rows.drop(newestKind, key)
	}
	m.putGone(t, key)
}

// putGone remembers for a while that a conversation or a reference is there no more: a
// look-up may still see it, and a conversation's messages, which are deleted after
// it, need none.
func (m *memory) putGone(t plan.TableID, key rowKey) {
	if t != plan.MessageTable {
		gone := m.rows.putAbsent(t, key)
		gone.streamed, gone.expires = true, m.expiry()
	}
}

// dropAnywhere forgets a deleted row of which the source sent no workspace. The
// fingerprint of such a message stays until it is old: before the message
// is there again it has no UPDATE, and its INSERT replaces it.
func (m *memory) dropAnywhere(t plan.TableID, old source.Row, key []byte) {
	m.rows.dropAnywhere(t, key)
	switch t {
	case plan.MessageTable:
		conv := textAt(old, m.plan.Message.Conversation)
		if conv == nil {
			return
		}
		for r := m.rows.anywhere(newestKind, conv); r != nil; {
			next := r.other
			m.dropNewest(r.key.bytes(), key)
			r = next
		}
	case plan.ConversationTable:
		m.rows.dropAnywhere(newestKind, key)
	}
}

// dropOld forgets what is remembered under the key that a row had before an
// UPDATE, unless it is the same.
func (m *memory) dropOld(t plan.TableID, old source.Row, was, now rowKey) {
	if was.equal(now) {
		return
	}
	kinds := []plan.TableID{t, newestKind}
	if t != plan.ConversationTable {
		kinds = kinds[:1]
	}
	_, hasWorkspace := m.keyOf(t, old)
	for _, kind := range kinds {
		if hasWorkspace {
			m.rows.drop(kind, was)
		} else {
			m.rows.dropAnywhere(kind, was.key)
		}
	}
	if hasWorkspace {
		m.putGone(t, was)
	}
}

// dropNewest forgets a conversation's newest message if it is that one.
func (m *memory) dropNewest(conversation rowKey, message []byte) {
	r := m.rows.get(newestKind, conversation)
	if r != nil && !r.absent && string(r.row[m.plan.Message.Key].Data) == string(message) {
		m.rows.remove(r)
	}
}

// dropTable forgets all rows of a table.
func (m *memory) dropTable(t plan.TableID) {
	m.rows.dropAll(t)
	if t == plan.MessageTable {
		m.kept.init(m.kept.limit)
		m.rows.dropAll(newestKind)
		m.fingerprints.init(m.fingerprints.width, m.fingerprints.limit)
	}
}
