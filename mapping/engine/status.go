package engine

import (
	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

// statusBefore returns the status of a message's last state by its
// fingerprint.
func (m *Mapper) statusBefore(was rowKey) ([]byte, bool) {
	prints := m.prints.get(was)
	if prints == nil {
		return nil, false
	}
	for _, s := range m.plan.Statuses {
		if prints[len(prints)-1] == m.prints.hash(source.Value{Kind: source.Text, Data: []byte(s)}) {
			return []byte(s), true
		}
	}
	return nil, false
}

// noStatus notes a change to a status that means none to clients.
func (m *Mapper) noStatus() {
	if m.trying {
		return
	}
	for _, member := range m.env.Unknown {
		m.unknownWord(member)
	}
	m.skip(skipStatus)
}

// countedTime counts an event whose time is a number of an unknown unit.
func (m *Mapper) countedTime(t plan.TableID, key []byte) {
	m.fail(failUnit, t, key, m.env.Counted, m.env.Counted+" is a number, and the mapping does not say what it counts since 1970, so it is not printed as a time: "+
		"write {time: column, unit: seconds}, milliseconds or microseconds")
}
