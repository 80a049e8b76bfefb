package pgoutput

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// reader takes fields off the front of a message. The first field that is not
// there makes it fail, and from then on it yields zeros, so that a decoder
// checks once, at the end.
type reader struct {
	b      []byte
	failed bool
}

// take returns the next n bytes, nil and a failed reader if there are fewer.
func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.fail()
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) fail() {
	r.failed = true
	r.b = nil
}

func (r *reader) byte() byte {
	if v := r.take(1); v != nil {
		return v[0]
	}
	return 0
}

func (r *reader) uint16() uint16 {
	if v := r.take(2); v != nil {
		return binary.BigEndian.Uint16(v)
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if v := r.take(4); v != nil {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if v := r.take(8); v != nil {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

func (r *reader) lsn() LSN   { return LSN(r.uint64()) }
func (r *reader) time() Time { return Time(r.uint64()) }

// cstring copies the bytes up to a zero byte.
func (r *reader) cstring() string {
	i := bytes.IndexByte(r.b, 0)
	if i < 0 {
		r.fail()
		return ""
	}
	s := string(r.b[:i])
	r.b = r.b[i+1:]
	return s
}

// end returns the error of a message that was cut short or has bytes left.
func (r *reader) end(what string) error {
	if r.failed {
		return fmt.Errorf("decode %s: the message is cut short", what)
	}
	if len(r.b) > 0 {
		return fmt.Errorf("decode %s: %d bytes too many", what, len(r.b))
	}
	return nil
}
