package engine

import "chatbridge/mapping/internal/plan"

// needs collects what a batch has to look up, each once.
type needs struct {
	Need
	seen map[needKey]bool
}

type needKey struct {
	kind  needKind
	table plan.TableID
	key   RowKey
}

// needKind is a list of Need.
type needKind uint8

const (
	needConversation needKind = iota
	needNewest
	needReference
	needRelated
	needMessage
	needMany
)

func (n *needs) reset() {
	if len(n.seen)+len(n.Left) > 0 {
		*n = needs{}
	}
}

// add notes a key; false when it was noted before.
func (n *needs) add(kind needKind, t plan.TableID, role string, key rowKey) bool {
	if n.has(kind, t, key) {
		return false
	}
	if n.seen == nil {
		n.seen = map[needKey]bool{}
	}
	k := key.owned()
	n.seen[needKey{kind, t, k}] = true
	switch kind {
	case needConversation:
		n.Conversations = append(n.Conversations, k)
	case needNewest:
		n.Newest = append(n.Newest, k)
	case needReference:
		n.References = addReference(n.References, role, k)
	case needRelated:
		n.Related = addReference(n.Related, role, k)
	case needMany:
		n.Many = addReference(n.Many, role, k)
	case needMessage:
		n.Messages = append(n.Messages, k)
	}
	return true
}

// has reports whether a key was noted.
func (n *needs) has(kind needKind, t plan.TableID, key rowKey) bool {
	return n.seen[needKey{kind, t, RowKey{string(key.workspace), string(key.key)}}]
}

func addReference(list []ReferenceNeed, role string, key RowKey) []ReferenceNeed {
	for i := range list {
		if list[i].Table == role {
			list[i].Keys = append(list[i].Keys, key)
			return list
		}
	}
	return append(list, ReferenceNeed{Table: role, Keys: []RowKey{key}})
}
