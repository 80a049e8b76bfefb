package engine

import "bytes"

// maxKept is the longest value, and the longest key, that is remembered: ids
// are a tenth of it.
const maxKept = 512

// keptValues are values that messages' rows had before, of at most limit
// messages; those of the messages that were put first go first.
type keptValues struct {
	values map[string][]byte
	// ids are the keys of values in the order in which they were put, a ring.
	ids   []string
	next  int
	limit int
	id    []byte
}

func (k *keptValues) init(limit int) { *k = keptValues{values: map[string][]byte{}, limit: limit} }

func (k *keptValues) get(n uint8, key rowKey) ([]byte, bool) {
	if len(k.values) == 0 {
		return nil, false
	}
	k.id = append(appendID(k.id[:0], key), n)
	v, ok := k.values[string(k.id)]
	return v, ok
}

func (k *keptValues) put(n uint8, key rowKey, value []byte) {
	if known, ok := k.get(n, key); ok && bytes.Equal(known, value) {
		return
	} else if len(value) > maxKept || len(key.key)+len(key.workspace) > maxKept {
		k.drop(n, key)
		return
	} else if ok {
		k.values[string(k.id)] = bytes.Clone(value)
		return
	}
	id := string(append(appendID(k.id[:0], key), n))
	if len(k.ids) < k.limit {
		k.ids = append(k.ids, id)
	} else {
		delete(k.values, k.ids[k.next])
		k.ids[k.next] = id
		k.next = (k.next + 1) % k.limit
	}
	k.values[id] = bytes.Clone(value)
}

func (k *keptValues) drop(n uint8, key rowKey) {
	if len(k.values) > 0 {
		delete(k.values, string(append(appendID(k.id[:0], key), n)))
	}
}
