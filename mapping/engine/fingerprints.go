package engine

import (
	"hash/maphash"
	"math/bits"

	"chatbridge/source"
)

// fingerprints remember the last state of messages as one 64-bit hash per
// column, for tables whose old rows are not sent. The oldest go first. A
// message is found by 128 bits of its workspace's and key's hash; that two messages, or two
// values, have the same is less likely than a flipped bit in memory.
type fingerprints struct {
	seeds [2]maphash.Seed
	width int
	limit int
	// index leads from the first half of a key's hash to an entry.
	index map[uint64]int32
	heads []fingerprintHead
	// hashes holds width hashes for each entry: 0 not known, 1 null.
	hashes []uint64
	next   int
}

type fingerprintHead struct{ a, b uint64 }

const (
	hashUnknown = 0
	hashNull    = 1
)

// What a message's fingerprint has after the hashes of its columns: that of its status
// in the contract's words, and its fit.
const (
	statusExtra = iota
	fitExtra
	fingerprintExtras
)

func (f *fingerprints) init(width, limit int) {
	if width != f.width || f.index == nil {
		f.seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
	}
	*f = fingerprints{seeds: f.seeds, width: width, limit: limit, index: map[uint64]int32{}}
}

func (f *fingerprints) hash(v source.Value) uint64 {
	switch v.Kind {
	case source.Null:
		return hashNull
	case source.Text:
		return max(maphash.Bytes(f.seeds[0], v.Data), hashNull+1)
	}
	return hashUnknown
}

func (f *fingerprints) head(k rowKey) fingerprintHead {
	return fingerprintHead{f.half(0, k), f.half(1, k)}
}

// half hashes a key and its workspace, each by itself, so that no two pairs
// are one because their bytes in a row are.
func (f *fingerprints) half(seed int, k rowKey) uint64 {
	const odd = 0x9E3779B97F4A7C15
	return maphash.Bytes(f.seeds[seed], k.key) ^ bits.RotateLeft64(odd*maphash.Bytes(f.seeds[seed], k.workspace), 32)
}

// get returns the hashes of a message's columns, nil when it is not known.
// They may be written to.
func (f *fingerprints) get(key rowKey) []uint64 {
	if len(f.index) == 0 {
		return nil
	}
	h := f.head(key)
	i, ok := f.index[h.a]
	if !ok || f.heads[i] != h {
		return nil
	}
	return f.hashes[int(i)*f.width : (int(i)+1)*f.width]
}

// put returns the hashes of a message's columns to be written, all unknown for
// a message that is new.
func (f *fingerprints) put(key rowKey) []uint64 {
	if known := f.get(key); known != nil {
		return known
	}
	h := f.head(key)
	i := f.next
	if f.next++; f.next == f.limit {
		f.next = 0
	}
	if i < len(f.heads) {
		if at, ok := f.index[f.heads[i].a]; ok && int(at) == i {
			delete(f.index, f.heads[i].a)
		}
		f.heads[i] = h
		clear(f.hashes[i*f.width : (i+1)*f.width])
	} else {
		f.heads = append(f.heads, h)
		for range f.width {
			f.hashes = append(f.hashes, hashUnknown)
		}
	}
	f.index[h.a] = int32(i)
	return f.hashes[i*f.width : (i+1)*f.width]
}

func (f *fingerprints) drop(key rowKey) {
	if h := f.head(key); f.get(key) != nil {
		delete(f.index, h.a)
	}
}
