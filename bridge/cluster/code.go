package cluster

import (
	"encoding/binary"
	"errors"
)

// errCut: the entry ends too early.
var errCut = errors.New("it is cut short")

// reader decodes an entry. After the first error it returns zero values.
type reader struct {
	data []byte
	err  error
	// texts is a buffer for names that data does not have as text.
	texts []byte
}

// take returns the next n bytes, which alias the entry.
func (r *reader) take(n uint64) []byte {
	if r.err != nil || n > uint64(len(r.data)) {
		r.fail(errCut)
		return nil
	}
	b := r.data[:n:n]
	r.data = r.data[n:]
	return b
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err, r.data = err, nil
	}
}

func (r *reader) byte() byte {
	if b := r.take(1); len(b) > 0 {
		return b[0]
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if b := r.take(4); len(b) == 4 {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if b := r.take(8); len(b) == 8 {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) id() ID { return ID{r.uint64(), r.uint64()} }

// uvarint reads a number in its shortest form.
func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.data)
	if n <= 0 || n > 1 && r.data[n-1] == 0 {
		r.fail(errors.New("it has a number that is none"))
		return 0
	}
	r.data = r.data[n:]
	return v
}

func (r *reader) varint() int64 {
	v := r.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

func (r *reader) bytes() []byte { return r.take(r.uvarint()) }

func appendID(dst []byte, id ID) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, id.Commit), id.Sub)
}

// appendLong appends the code of a name that is no UUID.
func appendLong(dst, name []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(name))<<1), name...)
}

func appendBytes(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}
