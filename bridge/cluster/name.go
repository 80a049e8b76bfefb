package cluster

import (
	"encoding/hex"
	"errors"
)

// A name, of a workspace, a conversation, a message or a user, is mostly a UUID: as text
// three of them are a quarter of what Redis keeps of a short message. One in the usual form
// is its 16 bytes after a 1; any other is its length, doubled, and its bytes.

const (
	uuidCode = 1
	uuidText = 36
)

// uuidOf returns the bytes of a UUID in the usual form.
func uuidOf(name []byte) (b [16]byte, ok bool) {
	if len(name) != uuidText {
		return b, false
	}
	at := 0
	for i := 0; i < uuidText; i++ {
		switch i {
		case 8, 13, 18, 23:
			if name[i] != '-' {
				return b, false
			}
			continue
		}
		high, low := nibble(name[i]), nibble(name[i+1])
		if high > 15 || low > 15 {
			return b, false
		}
		b[at] = high<<4 | low
		at++
		i++
	}
	return b, true
}

// nibble is the value of a lower-case digit, and more than 15 of anything else.
func nibble(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}

func appendName(dst, name []byte) []byte {
	if b, ok := uuidOf(name); ok {
		return append(append(dst, uuidCode), b[:]...)
	}
	return appendLong(dst, name)
}

// name reads what appendName wrote. It aliases the entry, or what the reader has of it.
func (r *reader) name() []byte {
	n := r.uvarint()
	if n == uuidCode {
		b := r.take(16)
		if r.err != nil {
			return nil
		}
		return r.uuid(b)
	}
	if n&1 != 0 {
		r.fail(errors.New("it has a name of no known form"))
		return nil
	}
	name := r.take(n >> 1)
	if _, ok := uuidOf(name); ok {
		r.fail(errors.New("it has a UUID as text"))
		return nil
	}
	return name
}

// uuid returns the text of a UUID.
func (r *reader) uuid(b []byte) []byte {
	if cap(r.texts)-len(r.texts) < uuidText {
		r.texts = make([]byte, 0, 64*uuidText)
	}
	from := len(r.texts)
	dst := r.texts
	for _, part := range [...][2]int{{0, 4}, {4, 6}, {6, 8}, {8, 10}, {10, 16}} {
		if part[0] > 0 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, b[part[0]:part[1]])
	}
	r.texts = dst
	return dst[from:len(dst):len(dst)]
}
