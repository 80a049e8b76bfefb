package engine

import (
	"encoding/binary"

	"chatbridge/mapping/internal/plan"
	"chatbridge/source"
)

// newestKind is the place in memory of each conversation's newest message,
// beside the tables' own.
const newestKind = plan.TableID(plan.MaxTables)

// cachedRow is one row in memory.
type cachedRow struct {
	kind plan.TableID
	// id is where the cache has the row: key's two parts are in it.
	id  string
	key RowKey
	// other is the next row of the same key in another workspace: byKey.
	other *cachedRow
	// row's values alias buf and are in the order of the Spec's columns; those
	// that are not kept are Absent.
	row source.Row
	buf []byte
	// absent: the row is known not to exist.
	absent bool
	// streamed: the row came from the stream. sent: an event with it was sent. Only
	// such a row tells what changed: one that was looked up for another purpose may
	// be ahead of the clients.
	streamed, sent bool
	// cut: large values were shortened or left away.
	cut bool
	// expires is the commit time in Unix nanoseconds past which the row is to
	// be looked up again, 0 for never.
	expires int64
	// order and tx belong to a newest message: its time, and the transaction
	// that inserted it.
	order int64
	tx    uint64

	prev, next *cachedRow
}

// size is the memory that a row takes, roughly: its bytes, its key, its
// values and the bookkeeping.
func (r *cachedRow) size() int {
	return cap(r.buf) + len(r.id) + 32*cap(r.row) + 200
}

// rowCache keeps rows within bounds; what was not used for longest goes first.
type rowCache struct {
	// rows are by id, one string: that is twice as fast as a pair of strings.
	rows [plan.MaxTables + 1]map[string]*cachedRow
	id   []byte // appendID's buffer
	// latest are the rows that get returned last: an event asks for the same
	// ones several times.
	latest [plan.MaxTables + 1]*cachedRow
	// byKey finds rows whatever their workspace. It is nil until somebody has
	// to, which is where the replica identity lacks the workspace.
	byKey             [plan.MaxTables + 1]map[string]*cachedRow
	front             cachedRow // list: front.next is the latest used
	count, bytes      int
	maxRows, maxBytes int
	evicted           uint64
}

func (c *rowCache) init(maxRows, maxBytes int) {
	c.maxRows, c.maxBytes = maxRows, maxBytes
	c.clear()
}

func (c *rowCache) clear() {
	for i := range c.rows {
		c.rows[i], c.byKey[i] = map[string]*cachedRow{}, nil
	}
	c.front.prev, c.front.next = &c.front, &c.front
	clear(c.latest[:])
	c.count, c.bytes = 0, 0
}

func (c *rowCache) get(kind plan.TableID, key rowKey) *cachedRow {
	r := c.latest[kind]
	if r == nil || r.key.Key != string(key.key) || r.key.Workspace != string(key.workspace) {
		c.id = appendID(c.id[:0], key)
		if r = c.rows[kind][string(c.id)]; r == nil {
			return nil
		}
		c.latest[kind] = r
	}
	if c.front.next != r {
		c.unlink(r)
		c.link(r)
	}
	return r
}

func (c *rowCache) link(r *cachedRow) {
	r.prev, r.next = &c.front, c.front.next
	r.prev.next, r.next.prev = r, r
}

func (c *rowCache) unlink(r *cachedRow) { r.prev.next, r.next.prev = r.next, r.prev }

func (c *rowCache) remove(r *cachedRow) {
	c.unlink(r)
	if c.latest[r.kind] == r {
		c.latest[r.kind] = nil
	}
	delete(c.rows[r.kind], r.id)
	c.unlinkKey(r)
	c.count--
	c.bytes -= r.size()
}

func (c *rowCache) drop(kind plan.TableID, key rowKey) {
	c.id = appendID(c.id[:0], key)
	if r := c.rows[kind][string(c.id)]; r != nil {
		c.remove(r)
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
func (c *rowCache) anywhere(kind plan.TableID, key []byte) *cachedRow {
	if c.byKey[kind] == nil {
		c.byKey[kind] = map[string]*cachedRow{}
		for _, r := range c.rows[kind] {
			c.linkKey(r)
		}
	}
	return c.byKey[kind][string(key)]
}

// dropAnywhere drops a key in all workspaces.
func (c *rowCache) dropAnywhere(kind plan.TableID, key []byte) {
	for r := c.anywhere(kind, key); r != nil; {
		next := r.other
		c.remove(r)
		r = next
	}
}

func (c *rowCache) linkKey(r *cachedRow) {
	if all := c.byKey[r.kind]; all != nil {
		r.other, all[r.key.Key] = all[r.key.Key], r
	}
}

func (c *rowCache) unlinkKey(r *cachedRow) {
	all := c.byKey[r.kind]
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

func (c *rowCache) dropAll(kind plan.TableID) {
	for _, r := range c.rows[kind] {
		c.remove(r)
	}
}

// put remembers row under key, or replaces what was there. mask, unless nil,
// tells which values are kept. A value that is Unchanged keeps what is
// remembered of it. The flags are the caller's to set on what put returns,
// which is valid until the next put. A row that would take more than a
// quarter of the memory is not remembered: put returns nil.
func (c *rowCache) put(kind plan.TableID, key rowKey, row source.Row, mask []bool) *cachedRow {
	r := c.get(kind, key)
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
	if need > c.maxBytes/4 {
		if r != nil {
			c.remove(r)
		}
		return nil
	}
	if r == nil {
		id := string(c.id) // as get left it
		n := len(key.key)
		r = &cachedRow{kind: kind, id: id, key: RowKey{Key: id[:n], Workspace: id[n : n+len(key.workspace)]}}
		c.rows[kind][id] = r
		c.linkKey(r)
		c.link(r)
		c.count++
	} else {
		c.bytes -= r.size()
	}
	r.store(row, mask, need, merging)
	r.absent = false
	c.bytes += r.size()
	c.evict(r)
	return r
}

// store copies the values. The old buffer is used again unless values in it
// are still needed, or it is far too big for what is left.
func (r *cachedRow) store(row source.Row, mask []bool, need int, merging bool) {
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

// putAbsent remembers that a row does not exist.
func (c *rowCache) putAbsent(kind plan.TableID, key rowKey) *cachedRow {
	r := c.put(kind, key, nil, nil)
	r.row, r.absent, r.order, r.tx = r.row[:0], true, 0, 0
	r.streamed, r.sent, r.expires = false, false, 0
	return r
}

// evict drops the rows that were not used for longest until the bounds hold;
// keep stays.
func (c *rowCache) evict(keep *cachedRow) {
	for c.count > c.maxRows || c.bytes > c.maxBytes {
		last := c.front.prev
		if last == keep {
			return
		}
		c.remove(last)
		c.evicted++
	}
}
