package engine

import (
	"encoding/binary"

	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

// newestKind is the place in memory of each conversation's newest message,
// beside the tables' own.
const newestKind = plan.TableID(plan.MaxTables)

// remembered is one row in memory.
type remembered struct {
	kind plan.TableID
	// id is where memory has the row: key's two parts are in it.
	id  string
	key RowKey
	// other is the next row of the same key in another workspace: byKey.
	other *remembered
	// row's values alias buf and are in the order of the Spec's columns; those
	// that are not kept are Absent.
	row source.Row
	buf []byte
	// none tells that the row is known not to exist.
	none bool
	// stream tells that the row came from the stream, sent that an event told
	// the clients of it. Only then does it tell what changed: a row that was
	// looked up for another purpose may be ahead of the clients.
	stream, sent bool
	// cut tells that large values were shortened or left away.
	cut bool
	// expires is the commit time in Unix nanoseconds past which the row is to
	// be looked up again, 0 for never.
	expires int64
	// order and tx belong to a newest message: its time, and the transaction
	// that inserted it.
	order int64
	tx    uint64

	prev, next *remembered
}

// size is the memory that a row takes, roughly: its bytes, its key, its
// values and the bookkeeping.
func (r *remembered) size() int {
	return cap(r.buf) + len(r.id) + 32*cap(r.row) + 200
}

// memory keeps rows within bounds; what was not used for longest goes first.
type memory struct {
	// rows are by id, one string: that is twice as fast as a pair of strings.
	rows [plan.MaxTables + 1]map[string]*remembered
	id   []byte // appendID's buffer
	// latest are the rows that get returned last: an event asks for the same
	// ones several times.
	latest [plan.MaxTables + 1]*remembered
	// byKey finds rows whatever their workspace. It is nil until somebody has
	// to, which is where the replica identity lacks the workspace.
	byKey             [plan.MaxTables + 1]map[string]*remembered
	front             remembered // list: front.next is the latest used
	count, bytes      int
	maxRows, maxBytes int
	evicted           uint64
}

func (m *memory) init(maxRows, maxBytes int) {
	m.maxRows, m.maxBytes = maxRows, maxBytes
	m.clear()
}

func (m *memory) clear() {
	for i := range m.rows {
		m.rows[i], m.byKey[i] = map[string]*remembered{}, nil
	}
	m.front.prev, m.front.next = &m.front, &m.front
	clear(m.latest[:])
	m.count, m.bytes = 0, 0
}

func (m *memory) get(kind plan.TableID, key rowKey) *remembered {
	r := m.latest[kind]
	if r == nil || r.key.Key != string(key.key) || r.key.Workspace != string(key.workspace) {
		m.id = appendID(m.id[:0], key)
		if r = m.rows[kind][string(m.id)]; r == nil {
			return nil
		}
		m.latest[kind] = r
	}
	if m.front.next != r {
		m.unlink(r)
		m.link(r)
	}
	return r
}

func (m *memory) link(r *remembered) {
	r.prev, r.next = &m.front, m.front.next
	r.prev.next, r.next.prev = r, r
}

func (m *memory) unlink(r *remembered) { r.prev.next, r.next.prev = r.next, r.prev }

func (m *memory) remove(r *remembered) {
	m.unlink(r)
	if m.latest[r.kind] == r {
		m.latest[r.kind] = nil
	}
	delete(m.rows[r.kind], r.id)
	m.unlinkKey(r)
	m.count--
	m.bytes -= r.size()
}

func (m *memory) drop(kind plan.TableID, key rowKey) {
	m.id = appendID(m.id[:0], key)
	if r := m.rows[kind][string(m.id)]; r != nil {
		m.remove(r)
	}
}

// appendID appends a key, its workspace, and how long the latter is, so that no
// two keys have one id.
func appendID(dst []byte, k rowKey) []byte {
	dst = append(append(dst, k.key...), k.workspace...)
	return binary.LittleEndian.AppendUint32(dst, uint32(len(k.workspace)))
}

// anywhere returns the rows of a key in all workspaces, each leading to the
// next by other.
func (m *memory) anywhere(kind plan.TableID, key []byte) *remembered {
	if m.byKey[kind] == nil {
		m.byKey[kind] = map[string]*remembered{}
		for _, r := range m.rows[kind] {
			m.linkKey(r)
		}
	}
	return m.byKey[kind][string(key)]
}

// dropAnywhere drops a key in all workspaces.
func (m *memory) dropAnywhere(kind plan.TableID, key []byte) {
	for r := m.anywhere(kind, key); r != nil; {
		next := r.other
		m.remove(r)
		r = next
	}
}

func (m *memory) linkKey(r *remembered) {
	if all := m.byKey[r.kind]; all != nil {
		r.other, all[r.key.Key] = all[r.key.Key], r
	}
}

func (m *memory) unlinkKey(r *remembered) {
	all := m.byKey[r.kind]
	switch first := all[r.key.Key]; {
	case all == nil:
	case first == r && r.other == nil:
		delete(all, r.key.Key)
	case first == r:
		all[r.key.Key] = r.other
	default:
		for first.other != r {
			first = first.other
		}
		first.other = r.other
	}
	r.other = nil
}

func (m *memory) dropAll(kind plan.TableID) {
	for _, r := range m.rows[kind] {
		m.remove(r)
	}
}

// put remembers row under key, or replaces what was there. mask, unless nil,
// tells which values are kept. A value that is Unchanged keeps what is
// remembered of it. The flags are the caller's to set on what put returns,
// which is valid until the next put. A row that would take more than a
// quarter of the memory is not remembered: put returns nil.
func (m *memory) put(kind plan.TableID, key rowKey, row source.Row, mask []bool) *remembered {
	r := m.get(kind, key)
	need, merging := 0, false
	for i := range row {
		if mask != nil && !mask[i] {
			continue
		}
		need += len(row[i].Data)
		if row[i].Kind == source.Unchanged && r != nil && i < len(r.row) && r.row[i].Kind == source.Text {
			need += len(r.row[i].Data)
			merging = true
		}
	}
	if need > m.maxBytes/4 {
		if r != nil {
			m.remove(r)
		}
		return nil
	}
	if r == nil {
		id := string(m.id) // as get left it
		n := len(key.key)
		r = &remembered{kind: kind, id: id, key: RowKey{Key: id[:n], Workspace: id[n : n+len(key.workspace)]}}
		m.rows[kind][id] = r
		m.linkKey(r)
		m.link(r)
		m.count++
	} else {
		m.bytes -= r.size()
	}
	r.store(row, mask, need, merging)
	r.none = false
	m.bytes += r.size()
	m.evict(r)
	return r
}

// store copies the values. The old buffer is used again unless values in it
// are still needed, or it is far too big for what is left.
func (r *remembered) store(row source.Row, mask []bool, need int, merging bool) {
	old := r.row
	buf := r.buf[:0]
	if merging || cap(buf) < need || cap(buf) > 4*need+256 {
		buf = make([]byte, 0, need+need/8)
	}
	if merging || cap(r.row) < len(row) {
		r.row = make(source.Row, 0, len(row))
	}
	r.row = r.row[:0]
	for i, v := range row {
		if mask != nil && !mask[i] {
			r.row = append(r.row, source.Value{})
			continue
		}
		if v.Kind == source.Unchanged && i < len(old) && (old[i].Kind == source.Text || old[i].Kind == source.Null) {
			v = old[i]
		}
		start := len(buf)
		buf = append(buf, v.Data...)
		v.Data = buf[start:len(buf):len(buf)]
		r.row = append(r.row, v)
	}
	r.buf = buf
}

// putNone remembers that a row does not exist.
func (m *memory) putNone(kind plan.TableID, key rowKey) *remembered {
	r := m.put(kind, key, nil, nil)
	r.row, r.none, r.order, r.tx = r.row[:0], true, 0, 0
	r.stream, r.sent, r.expires = false, false, 0
	return r
}

// evict drops the rows that were not used for longest until the bounds hold;
// keep stays.
func (m *memory) evict(keep *remembered) {
	for m.count > m.maxRows || m.bytes > m.maxBytes {
		last := m.front.prev
		if last == keep {
			return
		}
		m.remove(last)
		m.evicted++
	}
}
