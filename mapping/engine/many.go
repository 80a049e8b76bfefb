package engine

import (
	"slices"

	"chatbridge/mapping/contract"
	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

// A message may show rows of another table that point to it, such as attachments. They
// are not remembered: a message that is inserted has those that come after it in the
// same batch; whenever it is sent again they are looked up. The stream's rows of the
// batch take the place of what was found, which may be older.

// manyKey is a message, of which the rows of table point to it.
type manyKey struct {
	table   plan.TableID
	message RowKey
}

// many is what the batch knows of such rows.
type many struct {
	// inserted are messages that were inserted in the batch.
	inserted map[RowKey]bool
	// streamed are the rows that the stream has shown, in their order, found those of
	// the look-up.
	streamed map[manyKey][]streamedRow
	found    map[manyKey][]source.Row
	// known are those of which all rows were found.
	known map[manyKey]bool
	// again are the messages that are to be sent again.
	again map[RowKey]bool
}

// streamedRow is the latest state of a row; nil for one that points to the message no
// more.
type streamedRow struct {
	key string
	row source.Row
}

// FindRows finds the rows of a table that point to the message.
func (r *resolver) FindRows(e *plan.Env, t plan.TableID) []source.Row {
	row := e.Row(plan.MessageTable)
	if row == nil {
		return nil
	}
	id := r.messageKey(row)
	key := manyKey{t, id.owned()}
	if !r.many.inserted[key.message] && !r.many.known[key] {
		if r.lookUp(e, needMany, t, id) {
			e.Missed = true
		}
		return nil
	}
	return r.many.rows(key, r.tables[t].Key)
}

// rows are the rows that point to a message: those that were found, as the stream has
// them, and those that the stream alone has.
func (m *many) rows(key manyKey, keySlot int) []source.Row {
	streamed := slices.Clone(m.streamed[key])
	if len(streamed) == 0 {
		return m.found[key]
	}
	var out []source.Row
	for _, found := range m.found[key] {
		i := slices.IndexFunc(streamed, func(s streamedRow) bool { return s.key == string(found[keySlot].Data) })
		if i < 0 {
			out = append(out, found)
			continue
		}
		if now := slices.Clone(streamed[i].row); now != nil {
			fill(now, found)
			out = append(out, now)
		}
		streamed = slices.Delete(streamed, i, i+1)
	}
	for _, s := range streamed {
		if s.row != nil {
			out = append(out, s.row)
		}
	}
	return out[:min(len(out), ManyLimit)]
}

// knowMany notes that a look-up found all rows that were asked for.
func (r *resolver) knowMany() {
	for _, need := range r.need.Many {
		t, _ := r.withRole(need.Table)
		for _, message := range need.Keys {
			if r.many.known == nil {
				r.many.known = map[manyKey]bool{}
			}
			r.many.known[manyKey{t, message}] = true
		}
	}
}

// foundMany remembers a row that was found for the rest of the batch.
func (r *resolver) foundMany(t plan.TableID, workspace []byte, row source.Row) {
	id := rowKey{workspace, textAt(row, r.tables[t].Many)}
	if id.key == nil || !r.need.has(needMany, t, id) {
		return
	}
	if r.many.found == nil {
		r.many.found = map[manyKey][]source.Row{}
	}
	key := manyKey{t, id.owned()}
	r.many.found[key] = append(r.many.found[key], cloneRow(row))
}

// streamedMany notes the latest state of a row that the stream has shown; nil for one
// that points to that message no more.
func (r *resolver) streamedMany(t plan.TableID, message rowKey, key []byte, row source.Row) {
	of := manyKey{t, message.owned()}
	if r.many.streamed == nil {
		r.many.streamed = map[manyKey][]streamedRow{}
	}
	rows := r.many.streamed[of]
	now := streamedRow{key: string(key)}
	if row != nil {
		now.row = cloneRow(row)
	}
	if i := slices.IndexFunc(rows, func(s streamedRow) bool { return s.key == now.key }); i >= 0 {
		if row != nil {
			fill(now.row, rows[i].row)
		}
		rows[i] = now
		return
	}
	r.many.streamed[of] = append(rows, now)
}

// insertedWithMany lets the message event of an inserted row wait for the end of the
// batch, so that it has what comes after it.
func (s *sender) insertedWithMany(row source.Row, id rowKey, partial bool, index uint32) {
	if partial {
		s.memory.fillMessage(row)
	}
	if s.resolver.many.inserted == nil {
		s.resolver.many.inserted = map[RowKey]bool{}
	}
	s.resolver.many.inserted[id.owned()] = true
	s.report.muted = true
	s.render.message(row, index, false) // to learn what it needs looked up
	s.report.muted = false
	s.batch.wait(contract.Message, index, id, row)
}

// manyChange maps an INSERT or UPDATE of a row that points to a message: the message is
// sent again, complete.
func (m *Mapper) manyChange(t plan.TableID, op source.Op, index uint32) {
	table, old := &m.tables[t], m.compare.old
	key, _ := m.keyOf(t, m.row)
	message := rowKey{key.workspace, textAt(m.row, table.Many)}
	switch {
	case len(key.key) == 0:
		m.report.fail(failKey, t, nil, "", "a row without a key cannot be shown")
		return
	case len(key.workspace) == 0:
		m.report.fail(failWorkspace, t, key.key, "", "a row without a workspace cannot be shown: fill the column "+m.columnName(t, table.Workspace))
		return
	case op == source.Update && complete(old) && sameRows(old, m.row):
		m.report.skip(skipUnchanged)
		return
	}
	if op == source.Update {
		if was := m.manyBefore(t, old, key); was.key != nil && !was.equal(message) {
			m.send.messageAgain(t, was, key.key, nil, index)
		}
	}
	if len(message.key) == 0 { // it points to none, yet
		m.report.skip(skipReference)
		return
	}
	m.send.messageAgain(t, message, key.key, m.row, index+messageIndex)
}

// manyDeleted maps the DELETE of a row that pointed to a message, as far as the source
// tells to which.
func (m *Mapper) manyDeleted(t plan.TableID, old source.Row, index uint32) {
	key, _ := m.keyOf(t, old)
	if was := m.manyBefore(t, old, key); was.key != nil && was.workspace != nil {
		m.send.messageAgain(t, was, key.key, nil, index)
	}
}

// manyBefore is the message that a row pointed to; it has no key where the old row does
// not tell.
func (m *Mapper) manyBefore(t plan.TableID, old source.Row, now rowKey) rowKey {
	was := rowKey{now.workspace, textAt(old, m.tables[t].Many)}
	if ws := textAt(old, m.tables[t].Workspace); ws != nil {
		was.workspace = ws
	}
	return was
}

func sameRows(a, b source.Row) bool {
	for i := range a {
		if compareValues(b[i], a[i]) != same {
			return false
		}
	}
	return true
}

// messageAgain lets a message be sent again at the end of the batch, unless it waits for
// that anyway. row is what the stream has of one that points to it, nil for one that
// does no more.
func (s *sender) messageAgain(t plan.TableID, id rowKey, key []byte, row source.Row, index uint32) {
	r := s.resolver
	r.streamedMany(t, id, key, row)
	of := id.owned()
	if r.many.inserted[of] {
		return
	}
	if r.lookup != nil {
		r.note(needMany, t, id)
		r.note(needMessage, plan.MessageTable, id)
	}
	if r.many.again[of] {
		return
	}
	if r.many.again == nil {
		r.many.again = map[RowKey]bool{}
	}
	r.many.again[of] = true
	s.batch.waiting = append(s.batch.waiting, waiting{kind: contract.Message, index: index, of: &of})
}

// askMore makes another look-up, for what render needs of the rows that the first one
// found.
func (s *sender) askMore(render func()) {
	r := s.resolver
	if r.state != answered {
		return
	}
	r.state, r.need = collecting, needs{Need: Need{Left: r.need.Left}}
	s.report.muted = true
	render()
	s.report.muted = false
	if r.need.Empty() {
		r.state = answered
		return
	}
	r.ask()
}

// againNeeds renders the messages that are to be sent again, to learn what they need.
func (s *sender) againNeeds() {
	for i := range s.batch.waiting {
		w := &s.batch.waiting[i]
		if w.of == nil {
			continue
		}
		if found := s.memory.rows.get(plan.MessageTable, w.of.bytes()); found != nil && !found.absent {
			s.render.message(cloneRow(found.row), w.index, found.cut)
		}
	}
}

// againWithMany renders a message whose other rows changed, as the look-up found it.
func (s *sender) againWithMany(w *waiting) outcome {
	id := w.of.bytes()
	found := s.memory.rows.get(plan.MessageTable, id)
	switch {
	case s.resolver.state == failed:
		s.owed.add(contract.Message, plan.MessageTable, id, nil, nil)
		return impossible
	case found == nil || found.absent: // it is gone, or nobody can be asked
		s.report.counters.unanswered.Add(1)
		return impossible
	}
	o := s.render.message(cloneRow(found.row), w.index, found.cut)
	s.note(contract.Message, plan.MessageTable, id, found.row, o)
	return o
}

// findOwed asks for the owed messages of which the row is not known yet, and for what
// they need.
func (s *settler) findOwed(attempt []*owedEvent) {
	var unknown []*owedEvent
	for _, n := range attempt {
		if n.table == plan.MessageTable && len(n.row) == 0 {
			unknown = append(unknown, n)
		}
	}
	if len(unknown) == 0 {
		return
	}
	s.askMore(func() {
		for _, n := range unknown {
			if found := s.memory.rows.get(plan.MessageTable, n.key.bytes()); found != nil && !found.absent {
				s.owed.setRow(n, cloneRow(found.row))
				s.renderOwed(n)
			}
		}
	})
}
